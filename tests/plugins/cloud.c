/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bbhost/bbhost.h>

/* A good plugin with every kind of option, of a cloud that never has room; also what the wrong ones deviate from. */

#ifndef CLOUD_NAME
#define CLOUD_NAME "cloud"
#endif

typedef struct
{
  BbAbstractSlave parent_instance;
} TestCloudSlave;

typedef struct
{
  BbAbstractSlaveClass parent_class;
} TestCloudSlaveClass;

static void test_cloud_slave_latent_iface_init (BbLatentSlaveInterface *iface);
static GType test_cloud_slave_get_type (void);

G_DEFINE_TYPE_WITH_CODE (TestCloudSlave, test_cloud_slave, BB_TYPE_ABSTRACT_SLAVE,
                         G_IMPLEMENT_INTERFACE (BB_TYPE_LATENT_SLAVE, test_cloud_slave_latent_iface_init))

static void
start_instance_async (BbLatentSlave *self, BbInstanceRequest *request, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_task_report_new_error (self, callback, user_data, start_instance_async, BB_ERROR, BB_ERROR_NOT_NOW,
                           "there is no room in this cloud");
}

static BbInstance *
start_instance_finish (BbLatentSlave *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static char *
get_scope (BbLatentSlave *self)
{
  return g_strdup ("cloud");
}

static void
test_cloud_slave_latent_iface_init (BbLatentSlaveInterface *iface)
{
  iface->start_instance_async = start_instance_async;
  iface->start_instance_finish = start_instance_finish;
  iface->get_scope = get_scope;
}

static void
test_cloud_slave_class_init (TestCloudSlaveClass *klass)
{
}

static void
test_cloud_slave_init (TestCloudSlave *self)
{
}

typedef struct
{
  char *ami;
  char *region;
  char *placement;
  char *secret_identifier;
  char *secret_identifier_file;
  char *user_data;
  char **tags;
  double max_spot_price;
  gboolean spot_instance;
} TestCloudConfig;

#define ROW(KEY, TYPE, FALLBACK, MINIMUM, MAXIMUM, FLAGS)                                                              \
  {                                                                                                                    \
    #KEY, BB_OPTION_##TYPE, G_STRUCT_OFFSET (TestCloudConfig, KEY), FALLBACK, MINIMUM, MAXIMUM, FLAGS, NULL, "Help."   \
  }

static const BbOption options[] = {
  ROW (ami, STRING, NULL, 0, 0, BB_OPTION_REQUIRED),
  ROW (region, STRING, "us-east-1", 0, 0, BB_OPTION_NO_FLAGS),
  ROW (placement, STRING, NULL, 0, 0, BB_OPTION_NO_FLAGS),
  ROW (secret_identifier, STRING, NULL, 0, 0, BB_OPTION_SECRET | BB_OPTION_LIVE),
  ROW (secret_identifier_file, PATH, NULL, 0, 0, BB_OPTION_SECRET | BB_OPTION_LIVE),
  ROW (user_data, STRING, NULL, 0, 0, BB_OPTION_INTERPOLATED),
  ROW (tags, PAIRS, NULL, 0, 0, BB_OPTION_INTERPOLATED),
  ROW (max_spot_price, NUMBER, "1.6", 0, 1000, BB_OPTION_NONE_ALLOWED),
  ROW (spot_instance, BOOLEAN, "false", 0, 0, BB_OPTION_NO_FLAGS),
  { 0 },
};

static void
validate (gconstpointer data, GPtrArray *errors)
{
  const TestCloudConfig *config = data;

  if (g_strcmp0 (config->placement, "x") == 0)
    g_ptr_array_add (errors, g_strdup ("placement: \"x\" is no zone; use a or b"));
}

static const BbPluginProvides provides[] = {
  { "cloud", test_cloud_slave_get_type, options, sizeof (TestCloudConfig), validate, FALSE },
  { 0 },
};

#if defined(CLOUD_ABI) || defined(CLOUD_SIZE)
#ifndef CLOUD_ABI
#define CLOUD_ABI BB_PLUGIN_ABI
#endif
#ifndef CLOUD_SIZE
#define CLOUD_SIZE sizeof (BbPluginInfo)
#endif
G_MODULE_EXPORT const BbPluginInfo *bb_plugin_query (void);
const BbPluginInfo *
bb_plugin_query (void)
{
  static const BbPluginInfo info = { CLOUD_ABI, CLOUD_SIZE, CLOUD_NAME, "1.0", "Wrong on purpose", provides };

  return &info;
}
#else
BB_PLUGIN_DEFINE (CLOUD_NAME, "A cloud without room", provides)
#endif
