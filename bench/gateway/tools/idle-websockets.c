// Opens WebSockets, says `open N failed M` when all are answered, and holds them, silent, until its input ends.
//
//   idle-websockets PORT COUNT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char hello[] =
    "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static int openOne(const struct sockaddr_in *address) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  struct timeval patience = {.tv_sec = 10};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char head[4096];
  int used = 0;
  if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 &&
      send(fd, hello, sizeof hello - 1, MSG_NOSIGNAL) == (ssize_t)sizeof hello - 1) {
    ssize_t got;
    while ((got = recv(fd, head + used, sizeof head - 1 - used, 0)) > 0) {
      used += got;
      head[used] = 0;
      if (strstr(head, "\r\n\r\n") == NULL) continue;
      if (strncmp(head + 9, "101", 3) == 0) return fd;
      break;
    }
  }
  close(fd);
  return -1;
}

int main(int argc, char **argv) {
  if (argc != 3) return fprintf(stderr, "usage: idle-websockets PORT COUNT\n"), 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int count = atoi(argv[2]), opened = 0, failed = 0;
  for (int i = 0; i < count; i++) {
    if (openOne(&address) >= 0) opened++;
    // One that could not be opened says enough; a thousand of them would take hours.
    else if (++failed == 20) break;
  }
  printf("open %d failed %d\n", opened, failed);
  fflush(stdout);
  while (getchar() != EOF) {
  }
  return 0;
}
