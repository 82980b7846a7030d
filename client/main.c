#include <locale.h>

#include "client/options.h"

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    return (int)mr_client_main(argc, argv);
}
