/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-config-file.h"
#include "bb-config.h"

G_BEGIN_DECLS

/* Internal to core/config: how a configuration comes about. */

extern const BbOption bb_config_host_options[];
extern const BbOption bb_config_listener_options[];
extern const BbOption bb_config_builder_options[];
/* NULL when there is no such type of steps. */
const BbOption *bb_config_get_step_options (const char *type);

/* Most bytes of a name, whatever it names. */
#define BB_CONFIG_MAX_NAME 256

typedef enum
{
  BB_CONFIG_HOST,
  BB_CONFIG_LISTENER,
  BB_CONFIG_TEMPLATE,
  BB_CONFIG_SLAVE,
  BB_CONFIG_PROPERTIES,
  BB_CONFIG_BUILDER,
  BB_CONFIG_STEP,
  BB_CONFIG_NOTIFIER,
  BB_CONFIG_N_KINDS,
} BbConfigKind;

struct _BbConfig
{
  GObject parent_instance;

  BbHostConfig host;
  GPtrArray *listeners;    /* of BbListenerConfig */
  GPtrArray *slaves;       /* of BbSlaveConfig */
  GHashTable *slave_names; /* name → BbSlaveConfig, both owned by slaves */
  GPtrArray *steps;        /* of BbStepConfig */
  GPtrArray *builders;     /* of BbBuilderConfig */
  GHashTable *builder_names;
  GPtrArray *notifiers; /* of BbNotifierConfig */
};

typedef struct
{
  BbConfig *config;
  BbPluginRegistry *plugins;
  GPtrArray *errors;
  GPtrArray *warnings;
  GHashTable *said;  /* messages of both → themselves: each is said once, however many slaves a range has */
  GPtrArray *files;  /* of BbConfigFile */
  GHashTable *titles; /* "slave bot1" → BbConfigGroup (owned by its file) */
  GPtrArray *groups[BB_CONFIG_N_KINDS]; /* of BbConfigGroup, in the files' order */
  gboolean tolerant;         /* leaves out what has no plugin */
  GHashTable *missing_types; /* type name → why its plugin can't be had */
  GHashTable *left_out;      /* names of slaves (owned) that are left out */
  guint n_suggestions;
} BbConfigLoader;

/* @key: NULL for the group as a whole. */
void bb_config_error (BbConfigLoader *loader, const BbConfigGroup *group, const char *key, const char *format, ...)
  G_GNUC_PRINTF (4, 5);
void bb_config_warning (BbConfigLoader *loader, const BbConfigGroup *group, const char *key, const char *format, ...)
  G_GNUC_PRINTF (4, 5);

/* `; did you mean "x"?`, or "". Stops looking after many mistakes: it walks over all known words. */
char *bb_config_suggest (BbConfigLoader *loader, const char *word, const char *const *known);
/* The same among the names of all groups of a kind, ranges as they are written. */
char *bb_config_suggest_name (BbConfigLoader *loader, const char *word, BbConfigKind kind);

/* What a table of options is of, for messages: "a listener", "type \"ec2\"". */
void bb_config_unknown_key (BbConfigLoader *loader, const BbConfigGroup *group, const char *key, const char *owner,
                            const char *const *known);

/**
 * bb_config_parse_entry:
 *
 * Parses one value into the struct and notes a secret. FALSE when it has said that it can't.
 */
gboolean bb_config_parse_entry (BbConfigLoader *loader, const BbConfigGroup *group, const BbConfigEntry *entry,
                                const BbOption *option, gpointer config);

/* All of a group by one table. @extra: (nullable): further keys, that the caller looks at; ends with NULL. */
gboolean bb_config_parse_group (BbConfigLoader *loader, const BbConfigGroup *group, const BbOption *options,
                                const char *const *extra, const char *owner, gpointer config);

/* That the group's file holds a secret under @key. */
void bb_config_note_secret (const BbConfigGroup *group, const char *key);
/* A file that holds nothing else than a secret; FALSE when it has said that others can read it. */
gboolean bb_config_check_secret_file (BbConfigLoader *loader, const BbConfigGroup *group, const char *key,
                                      const char *path);

/* "FILE: [group]" */
char *bb_config_origin (const BbConfigGroup *group);
/* Characters, length, and that there is one. @what: "slave". */
gboolean bb_config_check_name (BbConfigLoader *loader, const BbConfigGroup *group, const char *name, const char *what);

/* The plugin's type, or NULL when it has said under "type" why it can't be had. */
const BbPluginProvides *bb_config_find_type (BbConfigLoader *loader, const BbConfigGroup *group, const char *type,
                                             gboolean notifier);

/* Checks across keys are the plugin's; its texts are `key: what is wrong`. @template: (nullable): where keys may be, too. */
void bb_config_validate (BbConfigLoader *loader, const BbConfigGroup *group, const BbConfigGroup *template,
                         const BbPluginProvides *provides, gconstpointer config);

/* Integers, `true` and `false` as such, everything else and what is in quotes as string; floating. */
GVariant *bb_config_type_property (const char *text);

/* The parts, in the order in which they must be read. */
void bb_config_load_host (BbConfigLoader *loader);
void bb_config_load_listeners (BbConfigLoader *loader);
void bb_config_load_slaves (BbConfigLoader *loader);
void bb_config_load_steps (BbConfigLoader *loader);
void bb_config_load_builders (BbConfigLoader *loader); /* needs slaves and steps */
void bb_config_load_notifiers (BbConfigLoader *loader);

/* What they made is freed with. */
void bb_host_config_clear (BbHostConfig *host);
void bb_listener_config_free (BbListenerConfig *listener);
void bb_slave_config_free (BbSlaveConfig *slave);
void bb_step_config_free (BbStepConfig *step);
gboolean bb_step_config_equal (const BbStepConfig *a, const BbStepConfig *b);
void bb_builder_config_free (BbBuilderConfig *builder);
void bb_notifier_config_free (BbNotifierConfig *notifier);

/* Of a group's name: `bot-{001..200}` is 200 names, any other name itself. */
typedef struct
{
  char *prefix;
  char *suffix; /* NULL: no range */
  guint first;
  guint last;
  int width; /* digits, with zeros in front; 0: as many as it takes */
} BbConfigRange;

gboolean bb_config_range_parse (BbConfigRange *range, const char *name, GError **error);
guint bb_config_range_count (const BbConfigRange *range);
char *bb_config_range_get (const BbConfigRange *range, guint index);
void bb_config_range_clear (BbConfigRange *range);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BbConfigRange, bb_config_range_clear)

G_END_DECLS
