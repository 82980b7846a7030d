#include <string.h>

#include "api/api.h"
#include "base/daemon.h"

static const struct mr_daemon daemon_ = {
    .program = MR_P_API, .name = "mr-api", .summary = "Serves accounts and the files' namespace."};

int main(int argc, char **argv)
{
    struct mr_config cfg;
    struct mr_api api;
    struct mr_error err = {0};
    if (argc == 2 && strcmp(argv[1], "--routes") == 0) {
        mr_http_routes_print(mr_api_routes, mr_api_n_routes);
        return 0;
    }
    mr_daemon_start(&daemon_, argc, argv, &cfg);
    enum mr_status status = mr_api_open(&api, &cfg, &err);
    if (status == MR_OK)
        status = mr_api_serve(&api, &err);
    mr_api_close(&api);
    return status == MR_OK ? 0 : mr_daemon_fail(&daemon_, &err);
}
