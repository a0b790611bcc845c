// The instance behind every proxy of bench-gateway, as cheap as it can be: it shares a core with the load.
//
//   upstream PORT
//
// GET /100 and /16k: that many bytes. GET /1g: 1 GiB. Any other method: the body is read, then 100 bytes.
// `Upgrade: websocket` gets 101 and is held open, silent. Ends at SIGTERM, at once.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD 8192
#define PIECE (256 * 1024)

struct conn {
  int fd;
  int used;               // bytes of a head that is not complete
  long long body;         // bytes of a request body that are still to come
  long long out;          // bytes of an answer's body that are still to go
  int held;               // a WebSocket
  int closing;            // the client wants no further answer here
  int writing;            // waits for room to write
  char head[HEAD];
};

static char small[256], middle[20000], piece[PIECE];
static int smallLength, middleLength, poller;
static const char big[] = "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: 1073741824\r\n\r\n";
// The sample key and answer of RFC 6455, 1.3: the only key that the client of this benchmark sends.
static const char upgraded[] =
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static void drop(struct conn *c) {
  close(c->fd);
  free(c);
}

// What stays unsent of the fixed part of an answer would need a buffer of its own; the kernel's is never that full.
static int say(struct conn *c, const char *bytes, int length) {
  return send(c->fd, bytes, length, MSG_NOSIGNAL) == length ? 0 : -1;
}

static int interest(struct conn *c, int writing) {
  if (c->writing == writing) return 0;
  c->writing = writing;
  struct epoll_event event = {.events = writing ? EPOLLOUT : EPOLLIN, .data.ptr = c};
  return epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

static int pump(struct conn *c) {
  while (c->out > 0) {
    ssize_t sent = send(c->fd, piece, c->out < PIECE ? c->out : PIECE, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN ? interest(c, 1) : -1;
    c->out -= sent;
  }
  return interest(c, 0);
}

static char *field(char *head, const char *name) {
  char *at = strcasestr(head, name);
  return at == NULL ? NULL : at + strlen(name);
}

// One whole head at the front of the buffer. Returns -1 when the connection is over.
static int answer(struct conn *c, char *end) {
  end[0] = 0;
  char *head = c->head;
  char *close_ = field(head, "\r\nconnection: close");
  if (close_ != NULL) c->closing = 1;
  if (field(head, "\r\nupgrade: websocket") != NULL) {
    c->held = 1;
    return say(c, upgraded, sizeof upgraded - 1);
  }
  if (strncmp(head, "GET /1g", 7) == 0) {
    c->out = 1073741824;
    if (say(c, big, sizeof big - 1) < 0) return -1;
    return pump(c);
  }
  if (strncmp(head, "GET /16k", 8) == 0) return say(c, middle, middleLength);
  if (strncmp(head, "GET ", 4) == 0) return say(c, small, smallLength);
  char *length = field(head, "\r\ncontent-length:");
  if (length == NULL) return -1;
  c->body = atoll(length);
  if (field(head, "\r\nexpect: 100-continue") != NULL && say(c, "HTTP/1.1 100 Continue\r\n\r\n", 25) < 0) return -1;
  return 0;
}

static int readable(struct conn *c) {
  static char waste[65536];
  for (;;) {
    if (c->held) {
      ssize_t got = recv(c->fd, waste, sizeof waste, 0);
      return got > 0 || (got < 0 && errno == EAGAIN) ? 0 : -1;
    }
    if (c->body > 0) {
      ssize_t got = recv(c->fd, waste, c->body < (long long)sizeof waste ? c->body : (long long)sizeof waste, 0);
      if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
      c->body -= got;
      if (c->body == 0 && (say(c, small, smallLength) < 0 || c->closing)) return -1;
      continue;
    }
    ssize_t got = recv(c->fd, c->head + c->used, HEAD - 1 - c->used, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
    c->used += got;
    c->head[c->used] = 0;
    char *end;
    while ((end = strstr(c->head, "\r\n\r\n")) != NULL) {
      int taken = end + 4 - c->head;
      if (answer(c, end) < 0) return -1;
      int rest = c->used - taken;
      if (c->body > 0) {
        int of = rest < c->body ? rest : c->body;
        c->body -= of;
        taken += of;
        rest -= of;
        if (c->body == 0 && say(c, small, smallLength) < 0) return -1;
      }
      memmove(c->head, c->head + taken, rest);
      c->used = rest;
      c->head[rest] = 0;
      if (c->closing && c->body == 0 && c->out == 0) return -1;
      if (c->held || c->body > 0 || c->out > 0) break;
    }
    if (c->out > 0) return 0;
    if (c->used == HEAD - 1) return -1;
    // What a readable socket had came in one piece: asking again costs more than being told again.
    if (!c->held && c->body == 0) return 0;
  }
}

static int fixed(char *into, int bytes) {
  int length = sprintf(into, "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n", bytes);
  memset(into + length, 'x', bytes);
  return length + bytes;
}

int main(int argc, char **argv) {
  if (argc != 2) return fprintf(stderr, "usage: upstream PORT\n"), 2;
  smallLength = fixed(small, 100);
  middleLength = fixed(middle, 16384);
  memset(piece, 'x', sizeof piece);
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
    return perror("listen"), 1;
  poller = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[512];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int count = epoll_wait(poller, events, 512, -1);
    for (int i = 0; i < count; i++) {
      struct conn *c = events[i].data.ptr;
      if (c != NULL) {
        int over = events[i].events & EPOLLOUT ? pump(c) : readable(c);
        if (over < 0) drop(c);
        continue;
      }
      int fd;
      while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c = calloc(1, sizeof *c);
        c->fd = fd;
        event.events = EPOLLIN;
        event.data.ptr = c;
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
      }
    }
  }
}
