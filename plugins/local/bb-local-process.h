/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

G_BEGIN_DECLS

/*
 * Processes of our user and the marks in their environment, which are to this backend what tags are to a cloud: they
 * are there from the first moment, every child inherits them, and they outlive bbhostd.
 */
#define BB_LOCAL_ENV_TOKEN "BBHOST_TOKEN"
#define BB_LOCAL_ENV_STORE "BBHOST_STORE"
#define BB_LOCAL_ENV_SLAVE "BBHOST_SLAVE"
#define BB_LOCAL_ENV_DIRECTORY "BBHOST_DIRECTORY"

typedef struct
{
  pid_t pid;
  guint64 start; /* clock ticks from the machine's start; with the pid it names a process until the next start */
  pid_t session;
  /* the marks, or NULL */
  char *token;
  char *store;
  char *slave;
  char *directory;
} BbLocalProcess;

/* All living processes of our user but ourselves; blocks for as long as /proc takes. NULL when that can't be read at all. */
GPtrArray *bb_local_process_list (GError **error);

/* PID-START-BOOT: never the same twice on one machine. */
char *bb_local_process_make_id (pid_t pid, guint64 start, GError **error);
/* Whether the process of that id lives; zombies do not. */
gboolean bb_local_process_is_alive (const char *id);
/* FALSE when it is of an earlier start of the machine, or no id at all. */
gboolean bb_local_process_parse_id (const char *id, pid_t *pid, guint64 *start);
/* The start of a process that we just made; FALSE when it has ended. */
gboolean bb_local_process_get_start (pid_t pid, guint64 *start);

/* A descriptor that stands for this very process, or -1 when it has ended meanwhile or @error is set. */
int bb_local_process_open (const BbLocalProcess *process, GError **error);

G_END_DECLS
