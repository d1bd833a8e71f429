/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <gmodule.h>

#include "bb-option.h"

G_BEGIN_DECLS

/* Raised whenever a struct or vtable of an installed header changes its layout. */
#define BB_PLUGIN_ABI 1u

/**
 * BbPluginProvides:
 * @type_name: the value of `type=`
 * @get_type: of a #BbLatentSlave derived from #BbAbstractSlave, or of a #BbNotifier
 * @options: the option table of this type; ends with a row of zeros
 * @config_size: size of the struct that @options fills
 * @validate: (nullable): checks across options; adds to @errors texts without file and group, `key: what is wrong`.
 *   Contacts nothing
 * @is_notifier: a notifier rather than a latent slave
 *
 * The objects are made with g_object_new (get_type (), "name", …, "settings", …, "config", …).
 */
typedef struct
{
  const char *type_name;
  GType (*get_type) (void);
  const BbOption *options;
  gsize config_size;
  void (*validate) (gconstpointer config, GPtrArray *errors);
  gboolean is_notifier;
} BbPluginProvides;

/**
 * BbPluginInfo:
 * @abi: %BB_PLUGIN_ABI at the plugin's build; read before anything else is believed
 * @size: sizeof (BbPluginInfo) at the plugin's build; members may be added at the end
 * @name: the file is NAME.so
 * @version: the plugin's version
 * @summary: one line, marked for translation
 * @provides: ends with a row of zeros
 */
typedef struct
{
  guint abi;
  guint size;
  const char *name;
  const char *version;
  const char *summary;
  const BbPluginProvides *provides;
} BbPluginInfo;

typedef const BbPluginInfo *(*BbPluginQueryFunc) (void);

/* The whole of a plugin's interface: one exported symbol, which runs no code of its own. */
#define BB_PLUGIN_DEFINE(NAME, SUMMARY, PROVIDES)                                                                      \
  G_MODULE_EXPORT const BbPluginInfo *bb_plugin_query (void);                                                          \
  const BbPluginInfo *bb_plugin_query (void)                                                                           \
  {                                                                                                                    \
    static const BbPluginInfo info = { .abi = BB_PLUGIN_ABI,                                                           \
                                       .size = sizeof (BbPluginInfo),                                                  \
                                       .name = NAME,                                                                   \
                                       .version = PACKAGE_VERSION,                                                     \
                                       .summary = SUMMARY,                                                             \
                                       .provides = PROVIDES };                                                         \
    return &info;                                                                                                      \
  }

G_END_DECLS
