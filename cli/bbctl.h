/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <glib/gi18n.h>

G_BEGIN_DECLS

/* What the verbs share: how bbctl was called, and the way to the daemon. */

#define BBCTL_HOST_PATH "/org/bbhost/Host"
#define BBCTL_HOST "org.bbhost.Host1"
#define BBCTL_SLAVE "org.bbhost.Slave1"
#define BBCTL_LATENT_SLAVE "org.bbhost.LatentSlave1"
#define BBCTL_BUILD "org.bbhost.Build1"
#define BBCTL_INSTANCE "org.bbhost.Instance1"

/* sysexits.h has the same numbers. */
enum
{
  BBCTL_OK = 0,
  BBCTL_REFUSED = 1,
  BBCTL_USAGE = 64,
  BBCTL_NO_DAEMON = 69,
  BBCTL_RUN_TROUBLE = 255,
};

typedef struct
{
  char *bus; /* "system", "session" or an address */
  gboolean json;
  gboolean out_is_terminal;
  gboolean err_is_terminal;
  gboolean colour; /* on standard output */
  GDBusConnection *connection;
  char *owner; /* the daemon's unique name: a daemon that was restarted meanwhile is another one */
} Bbctl;

typedef struct
{
  const char *name;
  const char *arguments; /* after the options, for usage */
  const char *summary;   /* N_() */
  int (*run) (Bbctl *self, const char *verb, int argc, char **argv); /* the exit status */
} BbctlVerb;

extern const BbctlVerb bbctl_verbs[];

/**
 * bbctl_parse:
 * @entries: (nullable): the verb's own options
 * @n_min: least number of arguments that are no options
 * @n_max: negative: any number, and options end where they begin, as they belong to a command
 *
 * Leaves the arguments in @argv from index 1 on. FALSE: was told on standard error; the status is BBCTL_USAGE.
 */
gboolean bbctl_parse (Bbctl *self, const char *verb, const GOptionEntry *entries, int *argc, char ***argv, int n_min,
                      int n_max);
int bbctl_usage (const char *verb, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* FALSE with an error whose status is BBCTL_NO_DAEMON. */
gboolean bbctl_connect (Bbctl *self, GError **error);
/* Tells the error, and answers the status for it; frees @error. */
int bbctl_fail (GError *error);
int bbctl_error_status (const GError *error);

/* @reply: the type of the answer, or NULL for (). */
GVariant *bbctl_read (Bbctl *self, const char *path, const char *interface_name, const char *method,
                      GVariant *parameters, const char *reply, GError **error);
/* The same for what changes something: somebody may have to type a password. */
GVariant *bbctl_change (Bbctl *self, const char *path, const char *interface_name, const char *method,
                        GVariant *parameters, const char *reply, GError **error);
GVariant *bbctl_get_all (Bbctl *self, const char *path, const char *interface_name, GError **error); /* a{sv} */
/* The paths of things by what people call them. @number: as it was typed. */
char *bbctl_find_slave (Bbctl *self, const char *name, GError **error);
char *bbctl_find_build (Bbctl *self, const char *number, GError **error);
char *bbctl_find_instance (Bbctl *self, const char *number, GError **error);
int bbctl_open_log (Bbctl *self, const char *build_path, const char *step, const char *log, GError **error);

/* Members of an a{sv}: "" or 0 when they are not there. */
const char *bbctl_dict_string (GVariant *dict, const char *key); /* borrowed from @dict */
guint64 bbctl_dict_number (GVariant *dict, const char *key);     /* of any integer type; 0 for a negative one */
gint64 bbctl_dict_signed (GVariant *dict, const char *key);
double bbctl_dict_double (GVariant *dict, const char *key);
gboolean bbctl_dict_boolean (GVariant *dict, const char *key);

/* Verbs, by the file that has them. */
int bbctl_status (Bbctl *self, const char *verb, int argc, char **argv); /* bbctl-host.c */
int bbctl_plugins (Bbctl *self, const char *verb, int argc, char **argv);
int bbctl_reload (Bbctl *self, const char *verb, int argc, char **argv);
int bbctl_notify_test (Bbctl *self, const char *verb, int argc, char **argv);
int bbctl_monitor (Bbctl *self, const char *verb, int argc, char **argv); /* bbctl-monitor.c */
int bbctl_slaves (Bbctl *self, const char *verb, int argc, char **argv);  /* bbctl-slaves.c */
int bbctl_slave (Bbctl *self, const char *verb, int argc, char **argv);
int bbctl_slave_action (Bbctl *self, const char *verb, int argc, char **argv);
int bbctl_insubstantiate (Bbctl *self, const char *verb, int argc, char **argv);
int bbctl_ping (Bbctl *self, const char *verb, int argc, char **argv);
int bbctl_builders (Bbctl *self, const char *verb, int argc, char **argv); /* bbctl-builds.c */
int bbctl_builds (Bbctl *self, const char *verb, int argc, char **argv);
int bbctl_cancel (Bbctl *self, const char *verb, int argc, char **argv);
int bbctl_build (Bbctl *self, const char *verb, int argc, char **argv); /* bbctl-build.c */
int bbctl_run (Bbctl *self, const char *verb, int argc, char **argv);   /* bbctl-run.c */
int bbctl_log (Bbctl *self, const char *verb, int argc, char **argv);   /* bbctl-log.c */
int bbctl_instances (Bbctl *self, const char *verb, int argc, char **argv); /* bbctl-instances.c */
int bbctl_terminate (Bbctl *self, const char *verb, int argc, char **argv);
int bbctl_forget (Bbctl *self, const char *verb, int argc, char **argv);

G_END_DECLS
