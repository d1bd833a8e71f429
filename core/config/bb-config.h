/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-option-struct.h"
#include "bb-plugin-registry.h"
#include "bb-slave-settings.h"
#include "bb-tls.h"

G_BEGIN_DECLS

/* The whole configuration, parsed, checked and immutable. Past here nobody sees a GKeyFile. */
#define BB_TYPE_CONFIG (bb_config_get_type ())
G_DECLARE_FINAL_TYPE (BbConfig, bb_config, BB, CONFIG, GObject)

typedef struct
{
  char *name;            /* default: the machine's host name */
  char **admin;          /* mail addresses */
  char *state_directory; /* NULL: the built-in one or --state-dir */
  double log_retention;  /* seconds; 0: for ever */
  gint64 max_instances;  /* 0: no limit, as for the costs */
  double max_hourly_cost;
  double max_monthly_cost;
  double default_hourly_cost;
  double instance_max_lifetime; /* seconds; 0: no limit */
  double reconcile_interval;
  double login_grace;
  char *metrics_file; /* NULL: none */
} BbHostConfig;

typedef struct
{
  char *name;
  char *protocol; /* "pb" */
  char *address;  /* NULL: all */
  gint64 port;    /* 0: one that the system chooses */
  char *tls_certificate;
  char *tls_private_key;
  char *tls_client_ca;
  BbTlsContext *tls; /* what the files said when they were loaded; NULL: no TLS */
} BbListenerConfig;

/* One slave, a template's values and ranges already worked in. */
typedef struct
{
  char *name;
  char *type;                       /* NULL: static */
  char *origin;                     /* "FILE: [group]" for messages */
  BbSlaveSettings *settings;        /* owned reference: what all slaves have */
  const BbPluginProvides *provides; /* NULL: static */
  gpointer plugin_config;           /* the struct of provides->options, owned; NULL: static */
} BbSlaveConfig;

/* Step and builder as written; interpolation happens in the build. */
typedef struct
{
  char *name;
  char *origin;
  int type; /* BbStepType of core/build */
  char *command;  /* shell: a line for the slave's shell, or NULL when argv is set */
  char **argv;
  char *workdir;
  char **env; /* key=value */
  double timeout;
  double max_time;
  char **logfiles; /* name=file */
  gboolean use_pty;
  double sigterm_time;
  gboolean halt_on_failure;
  gboolean flunk_on_failure;
  gboolean warn_on_failure;
  gboolean always_run;
  char *do_step_if; /* NULL: always; see the builder manual: an interpolated text, true unless empty, "false" or "0" */
  char *source;      /* upload, upload-directory: at the slave; download: at the host; copy: from */
  char *destination; /* the other end; copy: to */
  char **directories; /* mkdir, rmdir */
  char *mode;         /* download: octal permissions */
  char *compress;     /* upload-directory: NULL, "gz", "bz2" */
  gint64 max_size;    /* transfers, bytes; 0: no limit */
  gint64 block_size;  /* transfers, bytes */
  gboolean keep_stamp;
  char *initial_stdin;
  gboolean log_environ;
} BbStepConfig;

typedef enum
{
  BB_NEXT_SLAVE_LEAST_LOADED,
  BB_NEXT_SLAVE_FIRST,
  BB_NEXT_SLAVE_RANDOM,
} BbNextSlave;

typedef struct
{
  char *name;
  char *origin;
  char **slavenames;   /* names, globs already replaced by what they match, in the configuration's order */
  GPtrArray *steps;    /* of const BbStepConfig *, owned by the config */
  GVariant *properties; /* a{sv} */
  char *category;
  char **env; /* key=value */
  BbNextSlave next_slave;
  char *builddir; /* default: made from the name, one plain path component */
} BbBuilderConfig;

typedef struct
{
  char *name;
  char *type;
  char *origin;
  const BbPluginProvides *provides; /* NULL: no plugin has this type; then it is an error */
  gpointer plugin_config;
} BbNotifierConfig;

/**
 * bb_config_load:
 * @path: a file, or a folder laid out like $(sysconfdir)/bbhost: bbhost.conf, then the .conf files of conf.d in lexical order
 * @plugins: loads the plugins that `type=` names
 * @errors: (element-type utf8): every error, as `FILE: [group] key: what is wrong, and what would be right`
 * @warnings: (element-type utf8): likewise
 *
 * Contacts nothing and starts nothing; this is all that `--check-config` does. Reads files, so at start and on reload
 * only. Refuses files that hold a secret and that others can read, naming the chmod to run.
 *
 * Returns: (transfer full): the configuration, or %NULL when there was any error
 */
BbConfig *bb_config_load (const char *path, BbPluginRegistry *plugins, GPtrArray *errors, GPtrArray *warnings);

/* The same for a host that is to run: slaves and notifiers whose plugin can't be had are left out with a warning, so
 * that a package that is missing, or does not fit, does not stop what needs others. */
BbConfig *bb_config_load_usable (const char *path, BbPluginRegistry *plugins, GPtrArray *errors, GPtrArray *warnings);

const BbHostConfig *bb_config_get_host (BbConfig *self);
GPtrArray *bb_config_get_listeners (BbConfig *self); /* of BbListenerConfig, in the files' order; likewise below */
GPtrArray *bb_config_get_slaves (BbConfig *self);
GPtrArray *bb_config_get_builders (BbConfig *self);
GPtrArray *bb_config_get_notifiers (BbConfig *self);
const BbSlaveConfig *bb_config_find_slave (BbConfig *self, const char *name);
const BbBuilderConfig *bb_config_find_builder (BbConfig *self, const char *name);

/* Whether one bound socket serves both; whatever changes of TLS needs no other one. */
gboolean bb_listener_config_is_same_socket (const BbListenerConfig *a, const BbListenerConfig *b);
gboolean bb_builder_config_equal (const BbBuilderConfig *a, const BbBuilderConfig *b); /* its steps included */

G_END_DECLS
