/* SPDX-License-Identifier: MIT */
/* replay FOLDER - give each file of the folder to the fuzz program that this is linked with. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>

static void replay(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    printf("%s\n", name);
    fflush(stdout); /* so that the last name is that of the input that found something */
    FILE *file = fopen(path, "re");
    REQUIRE(file != NULL && fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    REQUIRE(size >= 0 && fseek(file, 0, SEEK_SET) == 0);
    uint8_t *data = malloc((size_t)size + (size == 0));
    REQUIRE(data != NULL && fread(data, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    REQUIRE(LLVMFuzzerTestOneInput(data, (size_t)size) == 0);
    free(data);
}

int main(int argc, char **argv)
{
    size_t count = 0;
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (dir == NULL) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_type != DT_DIR) {
            replay(argv[1], entry->d_name);
            count++;
        }
    }
    closedir(dir);
    return count > 0 ? 0 : 1;
}
