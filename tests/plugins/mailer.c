/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bbhost/bbhost.h>

/* A notifier that nobody hears of. */

typedef struct
{
  GObject parent_instance;
} TestMailer;

typedef struct
{
  GObjectClass parent_class;
} TestMailerClass;

static void test_mailer_notifier_iface_init (BbNotifierInterface *iface);
static GType test_mailer_get_type (void);

G_DEFINE_TYPE_WITH_CODE (TestMailer, test_mailer, G_TYPE_OBJECT,
                         G_IMPLEMENT_INTERFACE (BB_TYPE_NOTIFIER, test_mailer_notifier_iface_init))

static gboolean
wants (BbNotifier *self, BbNotice *notice)
{
  return FALSE;
}

static void
test_mailer_notifier_iface_init (BbNotifierInterface *iface)
{
  iface->wants = wants;
}

static void
test_mailer_class_init (TestMailerClass *klass)
{
}

static void
test_mailer_init (TestMailer *self)
{
}

typedef struct
{
  char *fromaddr;
  char **builders;
  char *smtpPassword;
} TestMailerConfig;

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

BB_PLUGIN_DEFINE ("mailer", "A notifier that nobody hears of", provides)
