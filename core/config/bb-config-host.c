/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-config-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define DAY 86400.0
#define YEAR (365 * DAY)
#define MAX_COST 1000000000.0
#define DEFAULT_PORT 9989 /* Buildbot's */

#define OPTION(KEY, TYPE, FALLBACK, MINIMUM, MAXIMUM, FLAGS, HELP)                                                     \
  {                                                                                                                    \
    #KEY, BB_OPTION_##TYPE, G_STRUCT_OFFSET (OWNER, KEY), FALLBACK, MINIMUM, MAXIMUM, FLAGS, NULL, HELP                \
  }

#define OWNER BbHostConfig
const BbOption bb_config_host_options[] = {
  OPTION (name, STRING, NULL, 0, 0, 0, N_("What this host is called in cloud tags and mails; default: the machine's name.")),
  OPTION (admin, ADDRESSES, NULL, 0, 0, 0, N_("Who gets mail about the host itself.")),
  OPTION (state_directory, PATH, NULL, 0, 0, 0, N_("Where the store and the logs of builds are.")),
  OPTION (log_retention, SECONDS, "none", 60, 100 * YEAR, BB_OPTION_NONE_ALLOWED,
          N_("How long finished builds and their logs are kept.")),
  OPTION (max_instances, INTEGER, "none", 1, 1000000, BB_OPTION_NONE_ALLOWED, N_("Most instances at once.")),
  OPTION (max_hourly_cost, NUMBER, "none", 0.000001, MAX_COST, BB_OPTION_NONE_ALLOWED,
          N_("Most US dollars per hour for all instances together.")),
  OPTION (max_monthly_cost, NUMBER, "none", 0.000001, MAX_COST, BB_OPTION_NONE_ALLOWED,
          N_("Most US dollars per calendar month; a mail at 80 %, no new instance at 100 %.")),
  OPTION (default_hourly_cost, NUMBER, "1", 0, MAX_COST, 0,
          N_("What an instance counts as whose price is unknown, in US dollars per hour.")),
  OPTION (instance_max_lifetime, SECONDS, "none", 1, YEAR, BB_OPTION_NONE_ALLOWED,
          N_("An instance older than that gets no new build and is stopped.")),
  OPTION (reconcile_interval, SECONDS, "300", 1, DAY, 0, N_("Seconds between comparisons of ledger and clouds.")),
  OPTION (login_grace, SECONDS, "300", 0, DAY, 0,
          N_("How long slaves may take to come back after a restart before they count as lost.")),
  OPTION (metrics_file, PATH, NULL, 0, 0, 0,
          N_("A file of figures for the textfile collector of Prometheus' node_exporter; its name must end in \".prom\".")),
  { 0 },
};
#undef OWNER

#define OWNER BbListenerConfig
const BbOption bb_config_listener_options[] = {
  OPTION (protocol, STRING, "pb", 0, 0, 0, 
          N_("\"pb\", which every slave and worker speaks, or \"msgpack\": MessagePack over WebSocket, workers 3.6 and later.")),
  OPTION (address, STRING, NULL, 0, 0, 0, N_("The IP address to listen on; default: all.")),
  OPTION (port, INTEGER, G_STRINGIFY (DEFAULT_PORT), 0, 65535, 0,
          N_("The TCP port to listen on; 0: one that the system chooses.")),
  OPTION (tls_certificate, PATH, NULL, 0, 0, 0, N_("The certificate chain, PEM; switches TLS on.")),
  OPTION (tls_private_key, PATH, NULL, 0, 0, BB_OPTION_SECRET, N_("The certificate's private key, PEM.")),
  OPTION (tls_client_ca, PATH, NULL, 0, 0, 0, N_("Slaves must show a certificate signed by one of these, PEM.")),
  { 0 },
};
#undef OWNER

/* The one group there may be, or NULL. */
static const BbConfigGroup *
get_host_group (BbConfigLoader *loader)
{
  return loader->groups[BB_CONFIG_HOST]->len > 0 ? g_ptr_array_index (loader->groups[BB_CONFIG_HOST], 0) : NULL;
}

void
bb_config_load_host (BbConfigLoader *loader)
{
  BbHostConfig *host = &loader->config->host;
  const BbConfigGroup *group = get_host_group (loader);

  bb_option_struct_init (bb_config_host_options, host);
  if (group != NULL && bb_config_parse_group (loader, group, bb_config_host_options, NULL, "[host]", host) &&
      host->name != NULL)
    {
      if (*host->name == '\0')
        bb_config_error (loader, group, "name", "is empty; remove the line for the machine's own name");
      else
        bb_config_check_name (loader, group, host->name, "host");
    }
  if (host->name == NULL)
    host->name = g_strdup (g_get_host_name ());
}

void
bb_host_config_clear (BbHostConfig *host)
{
  bb_option_struct_clear (bb_config_host_options, host);
}

/* What the library says of a file that isn't there can't be read by people. */
static gboolean
check_readable (BbConfigLoader *loader, const BbConfigGroup *group, const char *key, const char *path)
{
  if (g_access (path, R_OK) == 0)
    return TRUE;
  bb_config_error (loader, group, key, "%s: %s", path, g_strerror (errno));
  return FALSE;
}

static gboolean
load_tls_file (BbConfigLoader *loader, const BbConfigGroup *group, const char *key, const char *path,
               gboolean (*load) (BbTlsContext *, const char *, GError **), BbTlsContext *tls)
{
  g_autoptr (GError) error = NULL;

  if (!check_readable (loader, group, key, path))
    return FALSE;
  if (load (tls, path, &error))
    return TRUE;
  bb_config_error (loader, group, key, "%s", error->message);
  return FALSE;
}

static void
load_tls (BbConfigLoader *loader, const BbConfigGroup *group, BbListenerConfig *listener)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbTlsContext) tls = NULL;
  gboolean good;

  if (listener->tls_certificate == NULL && (listener->tls_private_key != NULL || listener->tls_client_ca != NULL))
    bb_config_error (loader, group, "tls_certificate", "is missing; without it there is no TLS");
  if (listener->tls_certificate == NULL)
    return;
  tls = bb_tls_context_new (&error);
  if (tls == NULL)
    {
      bb_config_error (loader, group, "tls_certificate", "%s", error->message);
      return;
    }
  good = load_tls_file (loader, group, "tls_certificate", listener->tls_certificate, bb_tls_context_load_certificate, tls);
  if (listener->tls_private_key == NULL)
    bb_config_error (loader, group, "tls_private_key", "is missing; tls_certificate needs it");
  else if (good)
    load_tls_file (loader, group, "tls_private_key", listener->tls_private_key, bb_tls_context_load_private_key, tls);
  if (listener->tls_client_ca != NULL)
    load_tls_file (loader, group, "tls_client_ca", listener->tls_client_ca, bb_tls_context_load_client_ca, tls);
  listener->tls = g_steal_pointer (&tls); /* a configuration with errors is not used */
}

static void
check_port (BbConfigLoader *loader, const BbConfigGroup *group, const BbListenerConfig *listener)
{
  for (guint i = 0; i < loader->config->listeners->len && listener->port != 0; i++)
    {
      const BbListenerConfig *other = g_ptr_array_index (loader->config->listeners, i);

      if (other->port == listener->port &&
          (other->address == NULL || listener->address == NULL || g_str_equal (other->address, listener->address)))
        bb_config_error (loader, group, "port", "%" G_GINT64_FORMAT " is already used by [listener %s]; use another",
                         listener->port, other->name);
    }
}

static void
check_listener (BbConfigLoader *loader, const BbConfigGroup *group, BbListenerConfig *listener)
{
  if (!g_str_equal (listener->protocol, "pb") && !g_str_equal (listener->protocol, "msgpack"))
    bb_config_error (loader, group, "protocol", "\"%s\" is neither pb nor msgpack", listener->protocol);
  if (g_strcmp0 (listener->address, "*") == 0)
    g_clear_pointer (&listener->address, g_free);
  if (listener->address != NULL && !g_hostname_is_ip_address (listener->address))
    bb_config_error (loader, group, "address", "\"%s\" is not an IP address, nor * for all", listener->address);
  load_tls (loader, group, listener);
  check_port (loader, group, listener);
}

void
bb_config_load_listeners (BbConfigLoader *loader)
{
  const GPtrArray *groups = loader->groups[BB_CONFIG_LISTENER];
  BbListenerConfig *listener;

  for (guint i = 0; i < groups->len; i++)
    {
      const BbConfigGroup *group = g_ptr_array_index (groups, i);

      listener = g_new0 (BbListenerConfig, 1);
      listener->name = g_strdup (group->name);
      bb_option_struct_init (bb_config_listener_options, listener);
      if (bb_config_check_name (loader, group, group->name, "listener") &&
          bb_config_parse_group (loader, group, bb_config_listener_options, NULL, "a listener", listener))
        check_listener (loader, group, listener);
      g_ptr_array_add (loader->config->listeners, listener);
    }
  if (groups->len > 0)
    return;
  listener = g_new0 (BbListenerConfig, 1);
  listener->name = g_strdup ("pb");
  bb_option_struct_init (bb_config_listener_options, listener);
  g_ptr_array_add (loader->config->listeners, listener);
}

void
bb_listener_config_free (BbListenerConfig *listener)
{
  bb_option_struct_clear (bb_config_listener_options, listener);
  g_clear_pointer (&listener->tls, bb_tls_context_unref);
  g_free (listener->name);
  g_free (listener);
}

gboolean
bb_listener_config_is_same_socket (const BbListenerConfig *a, const BbListenerConfig *b)
{
  return g_str_equal (a->name, b->name) && g_str_equal (a->protocol, b->protocol)
         && g_strcmp0 (a->address, b->address) == 0 && a->port == b->port;
}
