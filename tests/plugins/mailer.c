/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mailer.h"

#include <bbhost/bbhost.h>

/* A notifier that answers as the test wants. */

typedef struct
{
  char *fromaddr;
  char **builders;
  char *smtpPassword;
} TestMailerConfig;

typedef struct
{
  GObject parent_instance;

  char *name;
  const TestMailerConfig *config;
} TestMailer;

static void test_mailer_notifier_iface_init (BbNotifierInterface *iface);
static GType test_mailer_get_type (void);

G_DEFINE_TYPE_WITH_CODE (TestMailer, test_mailer, G_TYPE_OBJECT,
                         G_IMPLEMENT_INTERFACE (BB_TYPE_NOTIFIER, test_mailer_notifier_iface_init))

#define CLASS_OF(SELF) G_TYPE_INSTANCE_GET_CLASS (SELF, test_mailer_get_type (), TestMailerClass)

/* Mail about builds only without builders=. */
static gboolean
wants (BbNotifier *notifier, BbNotice *notice)
{
  TestMailer *self = (TestMailer *) notifier;

  return bb_notice_get_kind (notice) != BB_NOTICE_BUILD_FINISHED || self->config->builders == NULL;
}

static void
notify_async (BbNotifier *notifier, BbNotice *notice, GCancellable *cancellable, GAsyncReadyCallback callback,
              gpointer user_data)
{
  TestMailer *self = (TestMailer *) notifier;
  TestMailerClass *klass = CLASS_OF (self);
  g_autoptr (GTask) task = g_task_new (notifier, cancellable, callback, user_data);
  int answer = GPOINTER_TO_INT (g_hash_table_lookup (klass->answers, self->name));
  char *line = g_strdup_printf ("%s: %s", self->name, bb_notice_get_summary (notice));

  g_task_set_check_cancellable (task, FALSE);
  g_ptr_array_add (klass->attempts, line);
  if (g_strcmp0 (klass->hanging, self->name) == 0)
    {
      g_set_object (&klass->hung, task);
      return;
    }
  if (answer > 0)
    {
      g_task_return_new_error (task, BB_ERROR, answer - 1, "the server is down");
      return;
    }
  g_ptr_array_add (klass->sent, g_strdup (line));
  g_ptr_array_add (klass->ids, g_strdup (bb_notice_get_id (notice)));
  g_task_return_boolean (task, TRUE);
}

static gboolean
notify_finish (BbNotifier *notifier, GAsyncResult *result, GError **error)
{
  TestMailer *self = (TestMailer *) notifier;

  /* A reload that took the configuration away from below would show here. */
  g_assert_nonnull (self->config->fromaddr);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
test_mailer_notifier_iface_init (BbNotifierInterface *iface)
{
  iface->wants = wants;
  iface->notify_async = notify_async;
  iface->notify_finish = notify_finish;
}

enum
{
  PROP_NAME = 1,
  PROP_CONFIG,
  PROP_HOST_NAME,
};

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  TestMailer *self = (TestMailer *) object;

  if (id == PROP_NAME)
    self->name = g_value_dup_string (value);
  else if (id == PROP_CONFIG)
    self->config = g_value_get_pointer (value);
}

static void
finalize (GObject *object)
{
  g_free (((TestMailer *) object)->name);
  G_OBJECT_CLASS (test_mailer_parent_class)->finalize (object);
}

static void
test_mailer_class_init (TestMailerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags fixed = G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  klass->answers = g_hash_table_new (g_str_hash, g_str_equal);
  klass->attempts = g_ptr_array_new_with_free_func (g_free);
  klass->sent = g_ptr_array_new_with_free_func (g_free);
  klass->ids = g_ptr_array_new_with_free_func (g_free);
  object_class->set_property = set_property;
  object_class->finalize = finalize;
  g_object_class_install_property (object_class, PROP_NAME, g_param_spec_string ("name", NULL, NULL, NULL, fixed));
  g_object_class_install_property (object_class, PROP_CONFIG, g_param_spec_pointer ("config", NULL, NULL, fixed));
  g_object_class_install_property (object_class, PROP_HOST_NAME,
                                   g_param_spec_string ("host-name", NULL, NULL, NULL, fixed));
}

static void
test_mailer_init (TestMailer *self)
{
}

static const BbOption options[] = {
  { "fromaddr", BB_OPTION_STRING, G_STRUCT_OFFSET (TestMailerConfig, fromaddr), NULL, 0, 0, BB_OPTION_REQUIRED, NULL,
    "Help." },
  { "builders", BB_OPTION_STRINGS, G_STRUCT_OFFSET (TestMailerConfig, builders), NULL, 0, 0, BB_OPTION_NO_FLAGS, NULL,
    "Help." },
  { "smtpPassword", BB_OPTION_STRING, G_STRUCT_OFFSET (TestMailerConfig, smtpPassword), NULL, 0, 0, BB_OPTION_SECRET,
    NULL, "Help." },
  { 0 },
};

static void
validate (gconstpointer data, GPtrArray *errors)
{
  const TestMailerConfig *config = data;

  if (g_strcmp0 (config->fromaddr, "nobody") == 0)
    g_ptr_array_add (errors, g_strdup ("fromaddr: \"nobody\" is no address"));
}

static const BbPluginProvides provides[] = {
  { "mailer", test_mailer_get_type, options, sizeof (TestMailerConfig), validate, TRUE },
  { 0 },
};

BB_PLUGIN_DEFINE ("mailer", "A notifier that answers as the test wants", provides)
