// Requests at a steady rate, whatever becomes of the ones before ("open loop"). Request k is due at start + k / RATE, and its
// latency counts from then, also when no connection was free to send it: what wrk2 calls correcting coordinated omission
// (Gil Tene, How NOT to Measure Latency, 2013).
//
//   open-loop PORT METHOD PATH BODY_BYTES RATE SECONDS CONNECTIONS [HOST]
//
// One line of JSON: what was sent, what came back, and quantiles in microseconds. Of 100 requests
// and more the first fifth is warm-up and not in the quantiles; answers are waited for up to a minute. Answers need a content-length. Requests that are due are looked at every 50 us.
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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 65536
#define PER_OCTAVE 64
#define BUCKETS (PER_OCTAVE * 40)

struct conn {
  int fd;                 // -1: not connected
  int connecting;
  int waiting;            // an answer is due
  long long due;          // when its request was due, ns
  long long body;         // bytes of the answer's body to come; -1 while the head is not complete
  int status;
  int used;
  char head[16384];
};

static struct sockaddr_in address;
static int poller, requestLength, stopped;
static char *request_;
static struct conn **idle;
static int idleCount;
static long long sent, done, failed, refused, badStatus, reconnects, recorded, largest;
static long long counts[BUCKETS];
static long long start, warm;

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// Log-linear over nanoseconds, 64 an octave: at most 1.6 % too high.
static int bucketOf(long long ns) {
  if (ns < PER_OCTAVE) return ns < 0 ? 0 : ns;
  int octave = 63 - __builtin_clzll(ns) - 6;
  int bucket = (octave + 1) * PER_OCTAVE + (int)((ns >> octave) - PER_OCTAVE);
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double upperEdge(int bucket) {
  if (bucket < PER_OCTAVE) return bucket + 1;
  int octave = bucket / PER_OCTAVE - 1;
  return (double)(PER_OCTAVE + bucket % PER_OCTAVE + 1) * (double)(1LL << octave);
}

static double quantile(double q) {
  long long rank = (long long)(q * recorded + 0.999999), seen = 0;
  for (int bucket = 0; bucket < BUCKETS; bucket++) {
    seen += counts[bucket];
    if (seen >= rank && seen > 0) return (upperEdge(bucket) < largest ? upperEdge(bucket) : largest) / 1000;
  }
  return 0;
}

static void record(long long ns) {
  counts[bucketOf(ns)]++;
  recorded++;
  if (ns > largest) largest = ns;
}

static void open_(struct conn *c) {
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  c->connecting = 1;
  c->waiting = c->used = 0;
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) c->connecting = -1;
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
  epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
}

static void forget(struct conn *c) {
  for (int i = 0; i < idleCount; i++)
    if (idle[i] == c) idle[i--] = idle[--idleCount];
}

static void lost(struct conn *c) {
  if (c->waiting) failed++;
  else if (c->connecting) refused++;
  else forget(c);
  close(c->fd);
  reconnects++;
  if (!stopped) open_(c);
}

static int ask(struct conn *c, long long due) {
  c->waiting = 1;
  c->due = due;
  c->body = -1;
  c->used = 0;
  sent++;
  // A body of 10 kB on a connection that is idle fits the socket's buffer.
  return send(c->fd, request_, requestLength, MSG_NOSIGNAL) == requestLength ? 0 : -1;
}

static void complete(struct conn *c, long long at) {
  c->waiting = 0;
  done++;
  if (c->status != 200) badStatus++;
  if (c->due >= warm) record(at - c->due);
  idle[idleCount++] = c;
}

// Returns -1 when the connection is over.
static int readable(struct conn *c) {
  static char body[BUFFER];
  for (;;) {
    if (!c->waiting) return recv(c->fd, body, 1, MSG_PEEK) < 0 && errno == EAGAIN ? 0 : -1;
    if (c->body > 0) {
      ssize_t got = recv(c->fd, body, c->body < BUFFER ? c->body : BUFFER, 0);
      if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
      c->body -= got;
      if (c->body > 0) continue;
      complete(c, now());
      return 0;
    }
    ssize_t got = recv(c->fd, c->head + c->used, sizeof c->head - 1 - c->used, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
    c->used += got;
    c->head[c->used] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (end == NULL) {
      if (c->used == (int)sizeof c->head - 1) return -1;
      continue;
    }
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    if (length == NULL || length > end) return -1;
    c->status = atoi(c->head + 9);
    c->body = atoll(length + 17) - (c->used - (end + 4 - c->head));
    int closing = strcasestr(c->head, "\r\nconnection: close") != NULL;
    if (c->body == 0) {
      complete(c, now());
      return closing ? -1 : 0;
    }
  }
}

static void stop(int by) {
  (void)by;
  stopped = 1;
}

int main(int argc, char **argv) {
  if (argc < 8) return fprintf(stderr, "usage: open-loop PORT METHOD PATH BODY_BYTES RATE SECONDS CONNECTIONS [HOST]\n"), 2;
  int bodyBytes = atoi(argv[4]), connections = atoi(argv[7]);
  double rate = atof(argv[5]), seconds = atof(argv[6]);
  address.sin_family = AF_INET;
  address.sin_port = htons(atoi(argv[1]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  prctl(PR_SET_TIMERSLACK, 1000);

  request_ = malloc(bodyBytes + 1024);
  requestLength = sprintf(request_, "%s %s HTTP/1.1\r\nhost: %s\r\n", argv[2], argv[3], argc > 8 ? argv[8] : "localhost");
  if (bodyBytes > 0) requestLength += sprintf(request_ + requestLength, "content-length: %d\r\n", bodyBytes);
  requestLength += sprintf(request_ + requestLength, "\r\n");
  memset(request_ + requestLength, 'x', bodyBytes);
  requestLength += bodyBytes;

  poller = epoll_create1(0);
  idle = calloc(connections, sizeof *idle);
  struct conn *all = calloc(connections, sizeof *all);
  for (int i = 0; i < connections; i++) open_(&all[i]);

  struct epoll_event events[256];
  double every = 1e9 / rate;
  long long next = 0, end;
  start = now() + 100000000;
  warm = rate * seconds < 100 ? start : start + (long long)(seconds * 2e8);
  end = start + (long long)(seconds * 1e9);
  long long grace = end + 60000000000LL, stoppedAt = 0;
  for (;;) {
    long long at = now();
    if (stopped && stoppedAt == 0) {
      stoppedAt = at;
      if (at < end) end = at;
      grace = at + 60000000000LL;
    }
    // Late by a second: the rate cannot be kept, and what is left of it counts as never sent.
    if (at > end + 1000000000LL) stopped = 1;
    long long due = start + (long long)(next * every);
    while (!stopped && due <= at && due < end && idleCount > 0) {
      struct conn *c = idle[--idleCount];
      if (ask(c, due) < 0) lost(c);
      due = start + (long long)(++next * every);
    }
    int pending = connections - idleCount;
    int over = stopped || due >= end;
    if (over && (pending == 0 || at > grace)) break;
    if (over) {
      int waiting = 0;
      for (int i = 0; i < connections; i++) waiting += all[i].waiting;
      if (waiting == 0) break;
    }
    long long wait = over ? 10000000 : idleCount == 0 ? 10000000 : due - now();
    if (wait < 50000) wait = 50000;
    struct timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    int count = epoll_pwait2(poller, events, 256, &timeout, NULL);
    for (int i = 0; i < count; i++) {
      struct conn *c = events[i].data.ptr;
      if (c->connecting && !(events[i].events & (EPOLLERR | EPOLLHUP)) && events[i].events & EPOLLOUT) {
        c->connecting = 0;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
        idle[idleCount++] = c;
        continue;
      }
      if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
        if (c->connecting || readable(c) < 0) lost(c);
      }
    }
  }
  // What was due and never sent, and what never came back, is lost too.
  long long unsent = 0, unanswered = 0;
  while (start + (long long)(next * every) < end) unsent++, next++;
  for (int i = 0; i < connections; i++) unanswered += all[i].waiting;
  printf("{\"rate\":%.1f,\"seconds\":%.3f,\"sent\":%lld,\"done\":%lld,\"failed\":%lld,\"refused\":%lld,\"badStatus\":%lld,"
         "\"unsent\":%lld,\"unanswered\":%lld,\"reconnects\":%lld,"
         "\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}\n",
         rate, (end - start) / 1e9, sent, done, failed, refused, badStatus, unsent, unanswered, reconnects, quantile(0.5),
         quantile(0.99), quantile(0.999), largest / 1000.0);
  return 0;
}
