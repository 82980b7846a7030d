/* mr-upload: takes uploads and puts one FileUploaded event per version on the log (docs/upload.md). */
#include <stdio.h>
#include <string.h>

#include "base/daemon.h"
#include "producer/handlers.h"
#include "producer/service.h"

static bool asks_for_routes(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], "--routes") == 0;
}

int main(int argc, char **argv)
{
    static const struct mr_daemon daemon = {
        MR_P_UPLOAD, "mr-upload", "Takes uploads and announces them on the log.", mr_upload_kill_points};
    struct mr_config cfg;
    struct mr_error err;
    if (asks_for_routes(argc, argv)) {
        mr_http_routes_print(mr_upload_routes, mr_upload_routes_count);
        return fflush(stdout) == 0 ? 0 : 1;
    }
    mr_daemon_start(&daemon, argc, argv, &cfg);
    return mr_service_run(&cfg, &err) == MR_OK ? 0 : mr_daemon_fail(&daemon, &err);
}
