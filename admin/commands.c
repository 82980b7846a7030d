/* Every command of mr-admin. */
#include "admin/command.h"
#include "admin/migrate.h"
#include "admin/schemas.h"
#include "admin/topics.h"

const struct mr_admin_command mr_admin_commands[] = {
    {"migrate", "", "bring the tables up to date",
     "Applies the files of migrations.dir that the database has not had yet, in order, each in a transaction "
     "of its\n"
     "own. Any number of these may run at once. A file that changed after it was applied is refused by name.",
     0, 0, 0, mr_admin_migrate},
    {"schemas apply", "", "register the events' schemas",
     "For each subject <topic>-value: sets compatibility to FULL_TRANSITIVE and reads it back, asks whether "
     "our\n"
     "schema is compatible with all that are registered, registers it and prints its id.",
     0, 0, 0, mr_schemas_apply},
    {"schemas check", "", "say what the registry has differently",
     "Changes nothing. Exit status 1 when a subject is missing, has another compatibility, or lacks our "
     "schema.",
     0, 0, 0, mr_schemas_check},
    {"topics apply", "[--profile NAME]", "create and alter the log's topics",
     "Makes topics.file true: creates what is missing, sets the properties that differ (others stay), reads "
     "every\n"
     "property back and names those the broker ignored. Partitions are never added: equal keys would part. "
     "Exit\n"
     "status 1 when a difference is left that matters.",
     MR_OPT_PROFILE, 0, 0, mr_topics_apply},
    {"topics check", "[--profile NAME]", "say what the broker has differently",
     "As apply, but changes nothing.", MR_OPT_PROFILE, 0, 0, mr_topics_check},
    {"topics describe", "[TOPIC]... [--json]", "show topics, partitions and how far the groups are",
     "Topics with what was set on them, leader and offsets of each partition, and for each group millrace.* "
     "what it\n"
     "has committed and how many records it is behind.",
     MR_OPT_JSON, 0, MR_ADMIN_ARGS_MAX, mr_topics_describe},
};
const int mr_admin_commands_count = sizeof(mr_admin_commands) / sizeof(mr_admin_commands[0]);
