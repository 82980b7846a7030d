/* Every command of mr-admin. */
#include "admin/command.h"
#include "admin/dlq.h"
#include "admin/migrate.h"
#include "admin/schemas.h"
#include "admin/topics.h"
#include "admin/user.h"

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
    {"dlq list", "[--worker W] [--all] [--json]", "show the dead letters that nothing was done about",
     "For each worker how many letters are open, replayed and dropped; then each open one: where it lies, "
     "where it was\n"
     "first read, how often it was tried and why it was given up. --all shows the others too.",
     MR_OPT_WORKER | MR_OPT_ALL | MR_OPT_JSON, 0, 0, mr_dlq_list},
    {"dlq show", "WORKER PARTITION OFFSET [--json]", "show one dead letter whole",
     "Its headers and the event in it, or as many bytes as are useful when it cannot be decoded.",
     MR_OPT_JSON, 3, 3, mr_dlq_show},
    {"dlq replay", "WORKER (--partition P --offset O | --all) [--yes]",
     "give dead letters to their worker once more",
     "Sends the untouched record to retry.<worker>, its attempts counted from the start, and remembers that; "
     "--all is\n"
     "every open one. What fails again comes back as a new letter. A single letter that was replayed or "
     "dropped before\n"
     "is taken again with --yes. Safe to repeat: every effect is idempotent.",
     MR_OPT_PARTITION | MR_OPT_OFFSET | MR_OPT_ALL | MR_OPT_YES, 1, 1, mr_dlq_replay},
    {"dlq drop", "WORKER (--partition P --offset O | --all) --yes", "give dead letters up",
     "They stay in the topic until its retention ends, but are not listed or replayed with the others any "
     "more.",
     MR_OPT_PARTITION | MR_OPT_OFFSET | MR_OPT_ALL | MR_OPT_YES, 1, 1, mr_dlq_drop},
    {"user add", "EMAIL [--name NAME] [--password-file FILE]", "make an account",
     "Asks for the password, or takes the first line of the file (- is standard input). Prints the user's "
     "id.",
     MR_OPT_NAME | MR_OPT_PASSWORD_FILE, 1, 1, mr_user_add},
    {"user invite", "[EMAIL] [--expires HOURS]", "print a one-time invitation",
     "The token lets one person register where registration=invite; with EMAIL only under that address. It "
     "is kept as\n"
     "a hash, so this is the only time it can be read.",
     MR_OPT_EXPIRES, 0, 1, mr_user_invite},
    {"user disable", "EMAIL|ID", "close an account",
     "Its files stay. Tokens given out before end as they expire.", 0, 1, 1, mr_user_disable},
    {"user enable", "EMAIL|ID", "open an account again",
     "Its logins work again; those that failed are forgotten, so that nobody has to wait.", 0, 1, 1,
     mr_user_enable},
    {"user list", "[--json]", "show the accounts", "By e-mail address.", MR_OPT_JSON, 0, 0, mr_user_list},
};
const int mr_admin_commands_count = sizeof(mr_admin_commands) / sizeof(mr_admin_commands[0]);
