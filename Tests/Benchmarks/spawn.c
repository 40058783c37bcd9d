// Runs commands in turn and tells what each run cost.
//
//     spawn [--to FILE] RUNS COMMAND [ARGUMENT...] [--and COMMAND [ARGUMENT...]]...
//
// One line per run: number of the command, exit status, nanoseconds of wall time from before the fork to after the
// wait, microseconds of user and of system time, and the largest resident size in KiB. In each of the RUNS rounds every
// command runs once, so that whatever happens on the machine happens to all. What the commands print is discarded, or
// goes into FILE, which the next run overwrites.
// A program of its own because the resident size of a child starts with that of the process it was forked from.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { command_limit = 16 };

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int main(int count, char **arguments) {
    const char *file = "/dev/null";
    if (count > 2 && strcmp(arguments[1], "--to") == 0) {
        file = arguments[2];
        count -= 2;
        arguments += 2;
    }
    if (count < 3) {
        fprintf(stderr, "usage: spawn [--to FILE] RUNS COMMAND [ARGUMENT...] [--and COMMAND [ARGUMENT...]]...\n");
        return 2;
    }
    int runs = atoi(arguments[1]);
    char **commands[command_limit];
    int command_count = 0;
    commands[command_count++] = arguments + 2;
    for (int i = 2; i < count; i++) {
        if (strcmp(arguments[i], "--and") != 0) continue;
        arguments[i] = NULL;
        if (command_count == command_limit || i + 1 == count) return 2;
        commands[command_count++] = arguments + i + 1;
    }
    for (int run = 0; run < runs; run++) {
        for (int i = 0; i < command_count; i++) {
            int output = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
            if (output < 0) return 2;
            int64_t start = now();
            pid_t child = vfork();
            if (child < 0) return 2;
            if (child == 0) {
                dup2(output, 1);
                dup2(output, 2);
                execvp(commands[i][0], commands[i]);
                _exit(127);
            }
            int status;
            struct rusage usage;
            if (wait4(child, &status, 0, &usage) != child) return 2;
            int64_t end = now();
            close(output);
            printf("%d %d %lld %lld %lld %ld\n", i, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                   (long long)(end - start), (long long)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec,
                   (long long)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec, usage.ru_maxrss);
        }
    }
    return 0;
}
