/* A file's content type by the last part of its name; a table of what is common, everything else is octets.
 */
#ifndef MR_CLIENT_CONTENT_TYPE_H
#define MR_CLIENT_CONTENT_TYPE_H

const char *mr_content_type(const char *file_name);

#endif
