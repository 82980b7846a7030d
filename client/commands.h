/* The commands of `mr`; client/commands.c has their table. */
#ifndef MR_CLIENT_COMMANDS_H
#define MR_CLIENT_COMMANDS_H

#include "client/options.h"
#include "client/ui.h"
#include "client/visible.h"

enum mr_exit mr_command_login(const struct mr_options *o, struct mr_ui *ui);
enum mr_exit mr_command_logout(const struct mr_options *o, struct mr_ui *ui);
enum mr_exit mr_command_upload(const struct mr_options *o, struct mr_ui *ui);
enum mr_exit mr_command_get(const struct mr_options *o, struct mr_ui *ui);
enum mr_exit mr_command_ls(const struct mr_options *o, struct mr_ui *ui);
enum mr_exit mr_command_versions(const struct mr_options *o, struct mr_ui *ui);
enum mr_exit mr_command_status(const struct mr_options *o, struct mr_ui *ui);

#endif
