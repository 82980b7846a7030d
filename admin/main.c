#include <string.h>
#include <unistd.h>

#include "admin/command.h"
#include "base/log.h"

int main(int argc, char **argv)
{
    struct mr_admin admin;
    struct mr_error err;
    mr_error_clear(&err);
    mr_log_open("mr-admin", MR_LOG_WARN);
    int status = mr_admin_parse(&admin, argc, argv, &err);
    if (status == MR_ADMIN_RUN)
        status = admin.command->run(&admin, &err);
    return mr_admin_finish(&admin, status, &err);
}
