#include "base/daemon.h"
#include "workers/metadata/worker.h"

static const struct mr_daemon daemon_info = {
    .program = MR_P_METADATA,
    .name = "mr-metadata",
    .summary = "turns the log's events into what is known about files",
    .kill_points = mr_metadata_kill_points,
};

int main(int argc, char **argv)
{
    struct mr_config cfg;
    struct mr_metadata_worker *worker = NULL;
    struct mr_error err;
    mr_daemon_start(&daemon_info, argc, argv, &cfg);
    enum mr_status status = mr_metadata_open(&cfg, &worker, &err);
    if (status == MR_OK)
        status = mr_metadata_run(worker, &err);
    mr_metadata_close(&worker);
    return status == MR_OK ? 0 : mr_daemon_fail(&daemon_info, &err);
}
