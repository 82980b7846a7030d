#include "client/commands.h"

const struct mr_command mr_commands[] = {
    {"login", "URL", "log in to a server, or create an account there", "ERNPF", 1, 1,
     "The e-mail address and the password are asked for where no option gives them. The token that comes\n"
     "back is kept in $XDG_CONFIG_HOME/millrace/credentials.json.\n",
     mr_command_login},
    {"logout", "", "forget the login", "", 0, 0, NULL, mr_command_logout},
    {"upload", "LOCAL... [REMOTE]", "upload files, with -r folders", "rfjWt", 1, -1,
     "REMOTE is where it goes: with a slash at its end, or for several LOCALs, a folder to put them into;\n"
     "else the very name it gets. Without REMOTE everything goes to the top, /.\n"
     "With -r, files that are there with the same content are left alone, unless -f is given.\n"
     "An upload that was interrupted goes on where it stopped when the same command is run again.\n",
     mr_command_upload},
    {"ls", "[PATH]", "list a folder", "lr", 0, 1, NULL, mr_command_ls},
    {"get", "REMOTE [LOCAL]", "download a file, with -r a folder", "rjfA", 1, 2,
     "LOCAL is where it goes: with a slash at its end, or for a file that is there as a folder, the folder "
     "to\n"
     "put it into; else the very name it gets. Without LOCAL it goes into this folder.\n"
     "Files that are there with the same content are left alone; with another one, only -f overwrites them.\n"
     "A download that was interrupted goes on where it stopped when the same command is run again.\n",
     mr_command_get},
    {"versions", "PATH", "list the versions of a file", "", 1, 1, NULL, mr_command_versions},
    {"status", "[PATH|UPLOAD]", "how far a file or an upload is", "", 0, 1,
     "Of a file: what each stage said. Of an upload id: its state and the parts that arrived. Without an\n"
     "argument: uploads from this machine that can be gone on with.\n",
     mr_command_status},
    {0},
};
