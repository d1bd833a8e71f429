/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-plugin.h"

G_BEGIN_DECLS

/* Finds, checks and loads modules; what is loaded stays. Only what the configuration names is loaded. */
#define BB_TYPE_PLUGIN_REGISTRY (bb_plugin_registry_get_type ())
G_DECLARE_FINAL_TYPE (BbPluginRegistry, bb_plugin_registry, BB, PLUGIN_REGISTRY, GObject)

/* @directories: first hit wins; %NULL for the built-in one. One that does not exist is a normal state. */
BbPluginRegistry *bb_plugin_registry_new (const char *const *directories);

/**
 * bb_plugin_registry_lookup:
 * @type_name: the value of `type=`; the plugin that provides it has its name
 *
 * Loads the module if it is not loaded yet. Returns %NULL with %BB_ERROR_PLUGIN that names the file and the versions,
 * or the package to install (`bbhost-plugin-NAME`). A failure is not remembered: after the package was installed a reload succeeds.
 */
const BbPluginProvides *bb_plugin_registry_lookup (BbPluginRegistry *self, const char *type_name, GError **error);

/* For `bbctl plugins`: tries all modules of the directories. Array of a{sv}: name, version, summary, path, loaded (b),
 * error (s, when it can't be loaded), types (aa{sv}: type, options: aa{sv} with key, kind, default, help, flags). */
GVariant *bb_plugin_registry_describe (BbPluginRegistry *self);

G_END_DECLS
