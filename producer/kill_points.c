#include <stddef.h>

#include "producer/upload.h"

const char *const mr_upload_kill_points[] = {
    "upload.initiate.before-reserve", "upload.initiate.after-reserve",
    "upload.initiate.after-create",   "upload.initiate.after-open",
    "upload.complete.before-lease",   "upload.complete.after-lease",
    "upload.assemble.before-store",   "upload.assemble.after-store",
    "upload.assemble.before-commit",  "upload.assemble.after-commit",
    "upload.publish.before-send",     "upload.publish.after-send",
    "upload.publish.before-mark",     "upload.publish.after-mark",
    "upload.relay.before-lease",      "upload.relay.after-lease",
    "upload.relay.after-send",        "upload.end.before-state",
    "upload.end.after-state",         "upload.end.after-store",
    "upload.end.after-clean",         "upload.sweep.before-take-over",
    "upload.sweep.after-take-over",   "upload.sweep.before-orphan",
    "upload.sweep.after-orphan",      NULL,
};
