/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "bb-config.h"
#include "bb-step-types.h"
#include "bb-test.h"

/* A folder laid out like /etc/bbhost; "cloud" and "mailer" of tests/plugins are the plugins that are installed. */
typedef struct
{
  char *dir;
  char *plugins;
  BbPluginRegistry *registry;
  GPtrArray *errors;
  GPtrArray *warnings;
  BbConfig *config;
} Fixture;

static void
fixture_set_up (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const char *directories[] = { NULL, NULL };

  f->dir = bb_test_make_dir ();
  f->plugins = g_test_build_filename (G_TEST_BUILT, "plugins", ".libs", NULL);
  directories[0] = f->plugins;
  f->registry = bb_plugin_registry_new (directories);
  f->errors = g_ptr_array_new_with_free_func (g_free);
  f->warnings = g_ptr_array_new_with_free_func (g_free);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_clear_object (&f->config);
  g_ptr_array_unref (f->errors);
  g_ptr_array_unref (f->warnings);
  g_clear_object (&f->registry);
  bb_test_remove_dir (f->dir);
  g_free (f->plugins);
  g_free (f->dir);
}

static void
write_file (Fixture *f, const char *name, int mode, const char *contents)
{
  g_free (bb_test_write_file (f->dir, name, mode, contents));
}

static char *
join (GPtrArray *messages)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < messages->len; i++)
    g_string_append_printf (text, "%s\n", (const char *) g_ptr_array_index (messages, i));
  return g_string_free (text, FALSE);
}

static void
load (Fixture *f)
{
  g_clear_object (&f->config);
  g_ptr_array_set_size (f->errors, 0);
  g_ptr_array_set_size (f->warnings, 0);
  f->config = bb_config_load (f->dir, f->registry, f->errors, f->warnings);
  g_assert_true ((f->config == NULL) == (f->errors->len > 0));
}

/* What it complains of, each in a line; PLUGINS stands for the folder of the plugins. */
static void
assert_errors (Fixture *f, const char *contents, const char *expected)
{
  g_autoptr (GString) filled_in = g_string_new (expected);
  g_autofree char *errors = NULL;

  g_string_replace (filled_in, "PLUGINS", f->plugins, 0);
  write_file (f, "bbhost.conf", 0600, contents);
  load (f);
  errors = join (f->errors);
  g_assert_cmpstr (errors, ==, filled_in->str);
}

static void
assert_warnings (Fixture *f, const char *contents, const char *expected)
{
  g_autofree char *warnings = NULL;

  assert_errors (f, contents, "");
  warnings = join (f->warnings);
  g_assert_cmpstr (warnings, ==, expected);
}

static const BbSlaveConfig *
find_slave (Fixture *f, const char *name)
{
  const BbSlaveConfig *slave = bb_config_find_slave (f->config, name);

  if (slave == NULL)
    g_error ("there is no slave %s", name);
  return slave;
}

static void
assert_property (const BbSlaveConfig *slave, const char *name, const char *expected)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (slave->settings->properties, name, NULL);
  g_autofree char *text = value != NULL ? g_variant_print (value, TRUE) : NULL;

  g_assert_cmpstr (text, ==, expected);
}

static void
assert_list (char **list, const char *joined)
{
  g_autofree char *text = list != NULL ? g_strjoinv ("|", list) : NULL;

  g_assert_cmpstr (text, ==, joined);
}

/* What the manual shows first. */
static void
test_example (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const BbListenerConfig *listener;
  const BbSlaveConfig *slave;
  const BbBuilderConfig *builder;
  const BbStepConfig *step;

  assert_warnings (f,
                   "[listener pb]\nprotocol=pb\nport=9989\n\n"
                   "[slave bot-solaris]\npassword=solarispasswd\nmax_builds=2\n"
                   "notify_on_missing=bob@example.com;alice@example.org;\nmissing_timeout=300\n\n"
                   "[properties bot-solaris]\nos=solaris\n\n"
                   "[slave bot1]\ntype=cloud\npassword=sekrit\nami=ami-12345\nregion=us-west-2\ntags=SomeTag=foo;\n\n"
                   "[builder hello]\nslavenames=bot-solaris;bot1;\nsteps=hello;\n\n"
                   "[step hello]\ncommand=echo hello from %(prop:slavename)s\n",
                   "");
  listener = g_ptr_array_index (bb_config_get_listeners (f->config), 0);
  g_assert_cmpstr (listener->name, ==, "pb");
  g_assert_cmpstr (listener->protocol, ==, "pb");
  g_assert_cmpint (listener->port, ==, 9989);
  g_assert_null (listener->address);

  slave = find_slave (f, "bot-solaris");
  g_assert_null (slave->type);
  g_assert_cmpstr (slave->origin, ==, "bbhost.conf: [slave bot-solaris]");
  g_assert_cmpstr (slave->settings->password, ==, "solarispasswd");
  g_assert_cmpint (slave->settings->max_builds, ==, 2);
  g_assert_cmpfloat (slave->settings->missing_timeout, ==, 300);
  assert_list (slave->settings->notify_on_missing, "bob@example.com|alice@example.org");
  assert_property (slave, "os", "'solaris'");

  slave = find_slave (f, "bot1");
  g_assert_cmpstr (slave->type, ==, "cloud");
  g_assert_cmpfloat (slave->settings->missing_timeout, ==, 1200);
  g_assert_cmpstr (slave->provides->type_name, ==, "cloud");
  g_assert_cmpstr (*(char **) slave->plugin_config, ==, "ami-12345");

  builder = bb_config_find_builder (f->config, "hello");
  assert_list (builder->slavenames, "bot-solaris|bot1");
  g_assert_cmpstr (builder->builddir, ==, "hello");
  g_assert_cmpint (builder->next_slave, ==, BB_NEXT_SLAVE_LEAST_LOADED);
  step = g_ptr_array_index (builder->steps, 0);
  g_assert_cmpint (step->type, ==, BB_STEP_SHELL);
  g_assert_cmpstr (step->command, ==, "echo hello from %(prop:slavename)s");
  g_assert_cmpfloat (step->timeout, ==, 1200);
  g_assert_false (step->halt_on_failure);
  g_assert_true (step->flunk_on_failure);
  g_assert_cmpstr (bb_config_get_host (f->config)->name, ==, g_get_host_name ());
  g_assert_cmpfloat (bb_config_get_host (f->config)->reconcile_interval, ==, 300);
  g_assert_cmpfloat (bb_config_get_host (f->config)->login_grace, ==, 300);
}

static void
test_nothing (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const BbListenerConfig *listener;

  assert_warnings (f, "", "");
  g_assert_cmpuint (bb_config_get_listeners (f->config)->len, ==, 1);
  listener = g_ptr_array_index (bb_config_get_listeners (f->config), 0);
  g_assert_cmpint (listener->port, ==, 9989);
  g_assert_null (bb_config_find_slave (f->config, "bot1"));
  g_assert_null (bb_config_find_builder (f->config, "hello"));
}

/* D2: all of them, not only the first. */
static void
test_every_error (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  write_file (f, "conf.d/cloud.conf", 0600,
              "[slave bot1]\ntype=cloud\npassword=x\namii=ami-1\nmissing_timeout=soon\n"
              "[slave bot2]\ntype=ec2\npassword=x\nami=ami-1\nmax_builds=-1\n");
  assert_errors (f,
                 "[slave bot1]\npassword=x\nmissing_timeout=soon\nbuild_wait_timeout=0\ncolour=red\n"
                 "[slavve bot3]\npassword=x\n[machine bot3]\n[slave]\n[host main]\n"
                 "[host]\nadmin=root\n",
                 "bbhost.conf: [slavve bot3]: there is no such group; did you mean [slave bot3]?\n"
                 "bbhost.conf: [machine bot3]: there is no such group; there are: host, listener, template, slave, "
                 "properties, builder, step, notifier\n"
                 "bbhost.conf: [slave]: has no name; write [slave NAME]\n"
                 "bbhost.conf: [host main]: there is only one host; write [host]\n"
                 "conf.d/cloud.conf: [slave bot1]: is already defined in bbhost.conf; keep one of them\n"
                 "bbhost.conf: [host] admin: \"root\" is not a mail address like name@example.org\n"
                 "bbhost.conf: [slave bot1] missing_timeout: \"soon\" is not a whole number of seconds from 1 to "
                 "31536000, or none\n"
                 "bbhost.conf: [slave bot1] build_wait_timeout: is an option of on-demand slaves; set type=, or remove "
                 "it\n"
                 "bbhost.conf: [slave bot1] colour: is not an option of a static slave; remove it\n"
                 "conf.d/cloud.conf: [slave bot2] type: there is no plugin \"ec2\" in PLUGINS; install the package "
                 "bbhost-plugin-ec2\n"
                 "conf.d/cloud.conf: [slave bot2] max_builds: \"-1\" is not a whole number from 1 to 100000, or none\n");
}

static void
test_latent_errors (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  write_file (f, "bbhost.conf", 0600, "");
  write_file (f, "conf.d/ec2.conf", 0600,
              "[slave bot1]\ntype=cloud\npassword=x\namii=ami-1\nmissing_timeout=soon\nspot_instance=yes\n"
              "user_data=echo %d\n"
              "[slave bot2]\ntype=cloud\npassword=x\nami=ami-1\nplacement=x\n"
              "[slave bot3]\ntype=mailer\npassword=x\n");
  load (f);
  {
    g_autofree char *errors = join (f->errors);

    g_assert_cmpstr (
      errors, ==,
      "conf.d/ec2.conf: [slave bot1] amii: is not an option of type \"cloud\"; did you mean \"ami\"?\n"
      "conf.d/ec2.conf: [slave bot1] missing_timeout: \"soon\" is not a whole number of seconds from 1 to 86400\n"
      "conf.d/ec2.conf: [slave bot1] spot_instance: \"yes\" is neither true nor false\n"
      "conf.d/ec2.conf: [slave bot1] user_data: there is a lone % at \"%d\"; write %% for a percent sign\n"
      "conf.d/ec2.conf: [slave bot1] ami: is missing; type \"cloud\" needs it\n"
      "conf.d/ec2.conf: [slave bot2] placement: \"x\" is no zone; use a or b\n"
      "conf.d/ec2.conf: [slave bot3] type: \"mailer\" is a type of notifiers; it belongs into [notifier NAME]\n");
  }
}

/* What GKeyFile would merge, skip or quote. */
static void
test_syntax (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  assert_errors (f,
                 "password=x\n# comment\n\n[slave bot1]\npassword sekrit\n  password = x  \r\npassword=y\n=z\n"
                 "[slave bot1]\n[slave  bot1]\n[slave bot2\n[]\n[slave bot3] x\n[sl[ave]\n[host]\nname[de]=x\nname=\xff\n",
                 "bbhost.conf: line 1: stands before the first [group]; put it below the one it belongs to\n"
                 "bbhost.conf: [slave bot1] line 5: is neither KEY=VALUE, nor a [group], nor a comment that begins "
                 "with #\n"
                 "bbhost.conf: [slave bot1] password: is given twice, in lines 6 and 7; keep one\n"
                 "bbhost.conf: [slave bot1] line 8: is neither KEY=VALUE, nor a [group], nor a comment that begins "
                 "with #\n"
                 "bbhost.conf: [slave  bot1] line 11: is no group; write [KIND NAME] and nothing behind it\n"
                 "bbhost.conf: [slave  bot1] line 12: is no group; write [KIND NAME] and nothing behind it\n"
                 "bbhost.conf: [slave  bot1] line 13: is no group; write [KIND NAME] and nothing behind it\n"
                 "bbhost.conf: [slave  bot1] line 14: is no group; write [KIND NAME] and nothing behind it\n"
                 "bbhost.conf: [host] line 17: is not UTF-8; convert the file\n"
                 "bbhost.conf: [slave bot1]: is there twice, in lines 4 and 9; make them one\n"
                 "bbhost.conf: [slave  bot1]: is there twice, in lines 4 and 10; make them one\n"
                 "bbhost.conf: [host] name[de]: is not an option of [host]; remove it\n");
}

/* The same text means the same as to GKeyFile. */
static void
test_like_key_file (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  static const char contents[] = "# one\n\n[slave a]\npassword = a b\\s\n\tdescription=x=y;z \\\\ # no comment\n"
                                 "notify_on_missing=a@b.c;d@e.f\nmax_builds=3\nmissing_timeout=2.5\n";
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *password = NULL;
  g_autofree char *description = NULL;
  g_auto (GStrv) addresses = NULL;
  const BbSlaveSettings *settings;

  g_key_file_load_from_data (file, contents, -1, G_KEY_FILE_NONE, &error);
  g_assert_no_error (error);
  assert_errors (f, contents, "");
  settings = find_slave (f, "a")->settings;
  password = g_key_file_get_string (file, "slave a", "password", NULL);
  g_assert_cmpstr (settings->password, ==, password);
  description = g_key_file_get_string (file, "slave a", "description", NULL);
  g_assert_cmpstr (settings->description, ==, description);
  addresses = g_key_file_get_string_list (file, "slave a", "notify_on_missing", NULL, NULL);
  g_assert_true (g_strv_equal ((const char *const *) settings->notify_on_missing, (const char *const *) addresses));
  g_assert_cmpfloat (settings->missing_timeout, ==, g_key_file_get_double (file, "slave a", "missing_timeout", NULL));
  g_assert_cmpint (settings->max_builds, ==, g_key_file_get_integer (file, "slave a", "max_builds", NULL));
}

static void
test_files (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = g_build_filename (f->dir, "other.conf", NULL);
  g_autofree char *missing = g_strconcat (f->dir, "/bbhost.conf: No such file or directory", NULL);

  load (f);
  g_assert_cmpuint (f->errors->len, ==, 1);
  g_assert_cmpstr (g_ptr_array_index (f->errors, 0), ==, missing);

  write_file (f, "bbhost.conf", 0644, "[slave b]\npassword_file=secret\n");
  write_file (f, "secret", 0600, "from a file\r\nsecond line\n");
  write_file (f, "conf.d/20.conf", 0600, "[slave c]\npassword=x\n");
  write_file (f, "conf.d/10.conf", 0600, "[slave a]\npassword=x\n");
  write_file (f, "conf.d/.30.conf", 0600, "nonsense");
  write_file (f, "conf.d/30.conf~", 0600, "nonsense");
  load (f);
  g_assert_cmpuint (f->errors->len, ==, 0);
  g_assert_cmpuint (bb_config_get_slaves (f->config)->len, ==, 3);
  g_assert_cmpstr (((BbSlaveConfig *) g_ptr_array_index (bb_config_get_slaves (f->config), 0))->name, ==, "b");
  g_assert_cmpstr (((BbSlaveConfig *) g_ptr_array_index (bb_config_get_slaves (f->config), 1))->name, ==, "a");
  g_assert_cmpstr (find_slave (f, "b")->settings->password, ==, "from a file");

  /* A file stands alone. */
  write_file (f, "other.conf", 0600, "[slave d]\npassword=x\ncolour=x\n");
  g_clear_object (&f->config);
  f->config = bb_config_load (path, f->registry, f->errors, f->warnings);
  g_assert_null (f->config);
  g_assert_cmpstr (g_ptr_array_index (f->errors, 0), ==,
                   "other.conf: [slave d] colour: is not an option of a static slave; remove it");
}

/* A9 */
static void
test_rights (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *expected = NULL;
  g_autofree char *errors = NULL;
  g_autofree char *again = NULL;
  g_autofree char *path = g_build_filename (f->dir, "conf.d", "keys.conf", NULL);

  write_file (f, "bbhost.conf", 0644, "[slave b]\npassword_file=secret\n[slave c]\ntype=cloud\nami=x\npassword=auto\n");
  write_file (f, "secret", 0640, "from a file\n");
  write_file (f, "conf.d/keys.conf", 0644, "[slave a]\npassword=x\n[slave a2]\npassword=y\n");
  write_file (f, "conf.d/more.conf", 0604,
              "[slave d]\ntype=cloud\npassword=auto\nami=x\nsecret_identifier=hush\nsecret_identifier_file=../secret\n");
  load (f);
  errors = join (f->errors);
  expected = g_strdup_printf (
    "bbhost.conf: [slave b] password_file: others can read the secret in \"%s/secret\"; run chmod 600 '%s/secret'\n"
    "conf.d/more.conf: [slave d] secret_identifier_file: others can read the secret in \"%s/conf.d/../secret\"; "
    "run chmod 600 '%s/conf.d/../secret'\n"
    "conf.d/keys.conf: [slave a] password: this secret is in a file that others can read; run chmod 600 "
    "'%s/conf.d/keys.conf'\n"
    "conf.d/more.conf: [slave d] secret_identifier: this secret is in a file that others can read; run chmod 600 "
    "'%s/conf.d/more.conf'\n",
    f->dir, f->dir, f->dir, f->dir, f->dir, f->dir);
  g_assert_cmpstr (errors, ==, expected);

  write_file (f, "secret", 0400, "from a file\n");
  g_assert_cmpint (g_chmod (path, 0400), ==, 0);
  write_file (f, "conf.d/more.conf", 0600, "");
  load (f);
  again = join (f->errors);
  g_assert_cmpstr (again, ==, "");

  /* systemd's credentials: the group's rights are the mask of an access list. */
  write_file (f, "credentials/secret", 0440, "from systemd\n");
  write_file (f, "bbhost.conf", 0644, "[slave b]\npassword_file=credentials/secret\n");
  load (f);
  g_assert_cmpuint (f->errors->len, ==, 1);
  {
    g_autofree char *credentials = g_build_filename (f->dir, "credentials", NULL);

    g_setenv ("CREDENTIALS_DIRECTORY", credentials, TRUE);
    load (f);
    g_unsetenv ("CREDENTIALS_DIRECTORY");
  }
  g_assert_cmpuint (f->errors->len, ==, 0);
  g_assert_cmpstr (find_slave (f, "b")->settings->password, ==, "from systemd");
}

/* A10: whatever is wrong with it, a secret is not in the message. */
static void
test_secrets_stay_secret (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  write_file (f, "bbhost.conf", 0644,
              "[slave a]\npassword=hush\\d\n[slave b]\npassword hush\n[slave c]\ntype=cloud\npassword=hush\n"
              "secret_identifier=hush\\x\nami=a\n[slave d]\npasword=hush\n");
  load (f);
  g_assert_cmpuint (f->errors->len, >=, 5);
  for (guint i = 0; i < f->errors->len; i++)
    if (strstr (g_ptr_array_index (f->errors, i), "hush") != NULL)
      g_error ("%s", (char *) g_ptr_array_index (f->errors, i));
}

static void
test_passwords (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *expected = NULL;

  write_file (f, "empty", 0600, "\nsecond\n");
  expected = g_strdup_printf (
    "bbhost.conf: [slave none] password: is missing; give password=, password_file= or password_credential=\n"
    "bbhost.conf: [slave none2] password: is missing; give password=, password_file= or password_credential=, or password=auto\n"
    "bbhost.conf: [slave empty] password: is empty; give the slave's password\n"
    "bbhost.conf: [slave auto] password: \"auto\" is for on-demand slaves only; give the slave's password\n"
    "bbhost.conf: [slave both] password_file: is given beside password; keep one of them\n"
    "bbhost.conf: [slave gone] password_file: %s/gone: No such file or directory\n"
    "bbhost.conf: [slave empty-file] password_file: the first line of %s/empty is not a password\n",
    f->dir, f->dir);
  assert_errors (f,
                 "[slave none]\n[slave none2]\ntype=cloud\nami=x\n[slave empty]\npassword=\n"
                 "[slave auto]\npassword=auto\n[slave both]\npassword=x\npassword_file=empty\n"
                 "[slave gone]\npassword_file=gone\n[slave empty-file]\npassword_file=empty\n",
                 expected);
  assert_errors (f, "[slave a]\ntype=cloud\nami=x\npassword=auto\n[slave b]\ntype=cloud\nami=x\npassword=\\sauto\n", "");
  g_assert_true (find_slave (f, "a")->settings->auto_password);
  g_assert_null (find_slave (f, "a")->settings->password);
  g_assert_false (find_slave (f, "b")->settings->auto_password);
  g_assert_cmpstr (find_slave (f, "b")->settings->password, ==, " auto");
}

static void
test_password_credential (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const char *contents = "[slave a]\npassword_credential=bot-a\n";
  const char *template
    = "[template t]\npassword=weak\n[slave a]\ntemplate=t\npassword_credential=bot-a\n";
  g_autofree char *folder = g_build_filename (f->dir, "credentials", NULL);
  g_autofree char *empty = NULL;

  assert_errors (f, contents,
                 "bbhost.conf: [slave a] password_credential: systemd has handed over no credentials; add "
                 "LoadCredential=bot-a:PATH to the unit with systemctl edit bbhost, and restart it\n");
  g_setenv ("CREDENTIALS_DIRECTORY", folder, TRUE);
  assert_errors (f, contents,
                 "bbhost.conf: [slave a] password_credential: systemd has handed over no credential \"bot-a\"; add "
                 "LoadCredential=bot-a:PATH to the unit with systemctl edit bbhost, and restart it\n");
  assert_errors (f, "[slave a]\npassword_credential=../bbhost.conf\n[slave b]\npassword_credential=x\npassword=y\n",
                 "bbhost.conf: [slave a] password_credential: \"../bbhost.conf\" is not the name of a credential\n"
                 "bbhost.conf: [slave b] password_credential: is given beside password; keep one of them\n");
  /* The group's rights are the mask of an access list, as systemd makes it. */
  write_file (f, "credentials/bot-a", 0440, "");
  empty = g_strdup_printf ("bbhost.conf: [slave a] password_credential: the first line of %s/bot-a is not a password\n",
                           folder);
  assert_errors (f, contents, empty);
  write_file (f, "credentials/bot-a", 0440, "from systemd\n");
  assert_errors (f, contents, "");
  g_assert_cmpstr (find_slave (f, "a")->settings->password, ==, "from systemd");
  assert_errors (f, template, "");
  g_assert_cmpstr (find_slave (f, "a")->settings->password, ==, "from systemd");
  g_unsetenv ("CREDENTIALS_DIRECTORY");
}

/* S17 */
static void
test_ranges (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const BbBuilderConfig *builder;
  GPtrArray *slaves;

  assert_errors (f,
                 "[slave bot-{001..200}]\npassword=x\n[slave small-{8..10}-x]\npassword=x\n"
                 "[properties bot-007]\nlicence=true\ncolour=\"1\"\n"
                 "[properties bot-{001..200}]\nos=linux\ncolour=red\n"
                 "[builder all]\nslavenames=bot-200;bot-*;\nsteps=s\n[step s]\ncommand=true\n",
                 "");
  slaves = bb_config_get_slaves (f->config);
  g_assert_cmpuint (slaves->len, ==, 203);
  g_assert_cmpstr (((BbSlaveConfig *) g_ptr_array_index (slaves, 0))->name, ==, "bot-001");
  g_assert_cmpstr (((BbSlaveConfig *) g_ptr_array_index (slaves, 199))->name, ==, "bot-200");
  g_assert_cmpstr (((BbSlaveConfig *) g_ptr_array_index (slaves, 200))->name, ==, "small-8-x");
  g_assert_cmpstr (((BbSlaveConfig *) g_ptr_array_index (slaves, 202))->name, ==, "small-10-x");
  assert_property (find_slave (f, "bot-006"), "os", "'linux'");
  assert_property (find_slave (f, "bot-006"), "colour", "'red'");
  assert_property (find_slave (f, "bot-006"), "licence", NULL);
  assert_property (find_slave (f, "bot-007"), "os", "'linux'");
  assert_property (find_slave (f, "bot-007"), "colour", "'1'");
  assert_property (find_slave (f, "bot-007"), "licence", "true");
  assert_property (find_slave (f, "small-8-x"), "os", NULL);
  builder = bb_config_find_builder (f->config, "all");
  g_assert_cmpuint (g_strv_length (builder->slavenames), ==, 200);
  g_assert_cmpstr (builder->slavenames[0], ==, "bot-200");
  g_assert_cmpstr (builder->slavenames[1], ==, "bot-001");

  assert_errors (f,
                 "[slave bot-{1..3}]\npassword=x\n[slave bot-2]\npassword=x\n[slave a{3..1}]\n[slave a{1..x}]\n"
                 "[slave a{1..2}{1..2}]\n[slave a{1..1000000}]\n[slave a{b}]\npassword=x\n[slave a{..}]\n"
                 "[properties bot-{1..9}]\na=b\n",
                 "bbhost.conf: [slave bot-2]: the slave \"bot-2\" is already defined by bbhost.conf: [slave bot-{1..3}]; "
                 "keep one of them\n"
                 "bbhost.conf: [slave a{3..1}]: \"a{3..1}\": the range begins behind its end\n"
                 "bbhost.conf: [slave a{1..x}]: \"a{1..x}\": a range is written {FIRST..LAST}, as in bot-{001..200}\n"
                 "bbhost.conf: [slave a{1..2}{1..2}]: \"a{1..2}{1..2}\": there can be only one range in a name\n"
                 "bbhost.conf: [slave a{1..1000000}]: \"a{1..1000000}\": the range has more than 100000 numbers\n"
                 "bbhost.conf: [slave a{..}]: \"a{..}\": a range is written {FIRST..LAST}, as in bot-{001..200}\n"
                 "bbhost.conf: [properties bot-{1..9}]: there is no slave \"bot-4\"; did you mean \"bot-2\"?\n");
}

static void
test_templates (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  static const char contents[] =
    "[template big]\ntype=cloud\nami=ami-1\nmax_builds=4\npassword=auto\nregion=eu\n"
    "[template unused]\nnonsense=x\n"
    "[slave a]\ntemplate=big\n[slave b]\ntemplate=big\nami=ami-2\npassword_file=pw\nmax_builds=none\n";

  write_file (f, "pw", 0600, "from file\n");
  assert_warnings (f, contents,
                   "bbhost.conf: [template unused]: no slave uses it, so that its options are not checked\n");
  g_assert_cmpstr (find_slave (f, "a")->type, ==, "cloud");
  g_assert_cmpstr (*(char **) find_slave (f, "a")->plugin_config, ==, "ami-1");
  g_assert_cmpint (find_slave (f, "a")->settings->max_builds, ==, 4);
  g_assert_true (find_slave (f, "a")->settings->auto_password);
  g_assert_cmpstr (*(char **) find_slave (f, "b")->plugin_config, ==, "ami-2");
  g_assert_cmpint (find_slave (f, "b")->settings->max_builds, ==, 0);
  g_assert_cmpstr (find_slave (f, "b")->settings->password, ==, "from file");
  g_assert_false (find_slave (f, "b")->settings->auto_password);

  assert_errors (f,
                 "[template big]\ntemplate=other\nami=x\nmax_builds=many\nplacement=x\n[template other]\n"
                 "[slave a]\ntemplate=bigg\npassword=x\n"
                 "[slave b{1..3}]\ntemplate=big\npassword=x\n"
                 "[slave c]\ntype=cloud\ntemplate=big\npassword=x\n"
                 "[slave d]\ntype=cloud\ntemplate=big\npassword=x\nmax_builds=1\n",
                 "bbhost.conf: [slave a] template: there is no [template bigg]; did you mean \"big\"?\n"
                 "bbhost.conf: [template big] ami: is not an option of a static slave; remove it\n"
                 "bbhost.conf: [template big] max_builds: \"many\" is not a whole number from 1 to 100000, or none\n"
                 "bbhost.conf: [template big] placement: is not an option of a static slave; remove it\n"
                 "bbhost.conf: [template big] placement: \"x\" is no zone; use a or b\n"
                 "bbhost.conf: [template big] template: a template can't have a template; write its options out\n");
}

/* S5: types of properties. */
static void
test_properties (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const BbSlaveConfig *slave;

  assert_errors (f,
                 "[slave a]\npassword=x\n[properties a]\nint=42\nneg=-7\nzero=0\nbool=true\nbool2=false\ntext=linux\n"
                 "quoted=\"42\"\nquoted2=\"true\"\nempty=\nempty2=\"\"\nleading=007\nfloat=1.5\nbig=99999999999999999999\n"
                 "spaces=\" a b \"\ninner=\"a\" or \"b\"\nescaped=a\\nb\nTrue=True\nwith blank=x\n",
                 "");
  slave = find_slave (f, "a");
  assert_property (slave, "int", "int64 42");
  assert_property (slave, "neg", "int64 -7");
  assert_property (slave, "zero", "int64 0");
  assert_property (slave, "bool", "true");
  assert_property (slave, "bool2", "false");
  assert_property (slave, "text", "'linux'");
  assert_property (slave, "quoted", "'42'");
  assert_property (slave, "quoted2", "'true'");
  assert_property (slave, "empty", "''");
  assert_property (slave, "empty2", "''");
  assert_property (slave, "leading", "'007'");
  assert_property (slave, "float", "'1.5'");
  assert_property (slave, "big", "'99999999999999999999'");
  assert_property (slave, "spaces", "' a b '");
  assert_property (slave, "inner", "'\"a\" or \"b\"'");
  assert_property (slave, "escaped", "'a\\nb'");
  assert_property (slave, "True", "'True'");
  assert_property (slave, "with blank", "'x'");

  assert_errors (f, "[slave bot1]\npassword=x\n[properties bott1]\na=b\n[properties bot1]\nslavename=x\npath=C:\\d\n",
                 "bbhost.conf: [properties bott1]: there is no slave \"bott1\"; did you mean \"bot1\"?\n"
                 "bbhost.conf: [properties bot1] slavename: is the slave's name in every build; choose another name\n"
                 "bbhost.conf: [properties bot1] path: there is a lone backslash; write \\\\ for a backslash\n");
}

/* A8 */
static void
test_names (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *long_name = g_strnfill (257, 'n');
  g_autofree char *contents =
    g_strdup_printf ("[slave a/b]\npassword=x\n[slave a\tb]\npassword=x\n[slave %s]\npassword=x\n[slave ..]\npassword=x\n"
                     "[slave über maß \"'<>&%%;]\npassword=x\n[slave a\xc2\x85"
                     "b]\npassword=x\n[builder bbhost-run]\nsteps=s\n"
                     "[builder info]\nsteps=s\nslavenames=*\n[step s]\ncommand=x\n[step a/b]\ncommand=x\n",
                     long_name);
  g_autofree char *expected =
    g_strdup_printf ("bbhost.conf: [slave a/b]: a slave's name can't have a \"/\"\n"
                     "bbhost.conf: [slave a\tb]: a slave's name can't have control characters\n"
                     "bbhost.conf: [slave %s]: a slave's name has at most 256 bytes\n"
                     "bbhost.conf: [slave ..]: a slave can't be named like a folder\n"
                     "bbhost.conf: [slave a\xc2\x85"
                     "b]: a slave's name can't have control characters\n"
                     "bbhost.conf: [step a/b]: a step's name can't have a \"/\"\n"
                     "bbhost.conf: [builder bbhost-run]: this name is for commands that people run; choose another one\n"
                     "bbhost.conf: [builder info] builddir: \"info\" is used by the slave itself; choose another name\n",
                     long_name);

  assert_errors (f, contents, expected);
  assert_errors (f, "[slave über maß \"'<>&%;]\npassword=x\n", "");
  find_slave (f, "über maß \"'<>&%;");
}

static void
test_builders (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const BbBuilderConfig *builder;
  g_autofree char *properties = NULL;

  assert_warnings (f,
                   "[slave a]\npassword=x\n[slave b]\npassword=x\n[step s]\ncommand=x\n[step t]\nargv=make;-j4;\n"
                   "[step unused]\ncommand=x\n"
                   "[builder full build: ü]\nslavenames=b;a;b;\nsteps=s;t;s;\nproperties=n=3;quick=true;v=\"3\";\n"
                   "category=nightly\nenv=LANG=C;HOME=/home/%(slave:name)s;\nnext_slave=first\n"
                   "[builder nobody]\nsteps=s\n[builder nobody2]\nslavenames=\nsteps=s\nbuilddir=own\n",
                   "bbhost.conf: [builder nobody] slavenames: there is no slave, so that builds will wait for ever; "
                   "name some\n"
                   "bbhost.conf: [builder nobody2] slavenames: there is no slave, so that builds will wait for ever; "
                   "name some\n"
                   "bbhost.conf: [step unused]: no builder has this step\n");
  builder = bb_config_find_builder (f->config, "full build: ü");
  assert_list (builder->slavenames, "b|a");
  g_assert_cmpuint (builder->steps->len, ==, 3);
  g_assert_cmpstr (builder->category, ==, "nightly");
  assert_list (builder->env, "LANG=C|HOME=/home/%(slave:name)s");
  g_assert_cmpint (builder->next_slave, ==, BB_NEXT_SLAVE_FIRST);
  g_assert_cmpstr (builder->builddir, ==, "full_build____");
  properties = g_variant_print (builder->properties, FALSE);
  g_assert_cmpstr (properties, ==, "{'n': <int64 3>, 'quick': <true>, 'v': <'3'>}");
  g_assert_cmpstr (bb_config_find_builder (f->config, "nobody2")->builddir, ==, "own");

  assert_errors (f,
                 "[slave bot-linux]\npassword=x\n[slave bot2]\npassword=x\n[step compile]\ncommand=x\n"
                 "[builder a b]\nslavenames=bot-linx;win-*;bot2\nsteps=compil;nothing\nnext_slave=best\n"
                 "[builder a_b]\nslavenames=bot2\nsteps=\n"
                 "[builder c]\nslavenames=bot-linux\nsteps=compile\nbuilddir=a_b\n"
                 "[builder d]\nslavenames=bot-linux\nsteps=compile\nbuilddir=x/y\nslaves=bot2\n"
                 "[builder e]\nslavenames=bot-linux\nbuilddir=twistd.log\n",
                 "bbhost.conf: [builder a b] next_slave: \"best\" is not one of: least-loaded, first, random\n"
                 "bbhost.conf: [builder a b] slavenames: there is no slave \"bot-linx\"; did you mean \"bot-linux\"?\n"
                 "bbhost.conf: [builder a b] slavenames: no slave's name is like \"win-*\"; remove it\n"
                 "bbhost.conf: [builder a b] steps: there is no [step compil]; did you mean \"compile\"?\n"
                 "bbhost.conf: [builder a b] steps: there is no [step nothing]\n"
                 "bbhost.conf: [builder a_b] steps: is empty; name at least one step\n"
                 "bbhost.conf: [builder a_b] builddir: \"a_b\" is the folder of [builder a b] on the slave \"bot2\" "
                 "already; set another one\n"
                 "bbhost.conf: [builder d] slaves: is not an option of a builder; remove it\n"
                 "bbhost.conf: [builder d] builddir: \"x/y\" is not one folder's name of letters, digits, \"_\", \".\" "
                 "and \"-\"\n"
                 "bbhost.conf: [builder e] steps: is missing; a builder needs it\n"
                 "bbhost.conf: [builder e] builddir: \"twistd.log\" is used by the slave itself; choose another name\n");
}

static void
test_too_many_builders (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) text = g_string_new ("[slave a]\npassword=x\n[slave b]\npassword=x\n[step s]\ncommand=x\n");

  for (int i = 1; i <= 1000; i++)
    g_string_append_printf (text, "[builder n%d]\nslavenames=a\nsteps=s\n", i);
  assert_errors (f, text->str, "");
  g_string_append (text, "[builder last]\nslavenames=b;a;\nsteps=s\n");
  assert_errors (f, text->str,
                 "bbhost.conf: [builder last] slavenames: with it the slave \"a\" has more than 1000 builders, which it "
                 "could not take; spread them over more slaves\n");
}

static void
test_steps (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const BbBuilderConfig *builder;
  const BbStepConfig *step;

  assert_errors (f,
                 "[builder b]\nsteps=sh;up;updir;down;mk;rm;cp;\n"
                 "[step sh]\nargv=sh;-c;echo a\\;b;\nenv=A=b;\nlogfiles=test=log/test.log;\ntimeout=none\nmax_time=3600\n"
                 "sigterm_time=5\nuse_pty=true\nhalt_on_failure=true\ndo_step_if=%(prop:release:-)s\nworkdir=.\n"
                 "[step up]\ntype=upload\nsource=a.tar\ndestination=/srv/a.tar\nmax_size=100\nkeep_stamp=true\n"
                 "[step updir]\ntype=upload-directory\nsource=a\ndestination=b\ncompress=gz\n"
                 "[step down]\ntype=download\nsource=a\ndestination=b\nmode=0755\n"
                 "[step mk]\ntype=mkdir\ndirectories=a;b;\n[step rm]\ntype=rmdir\ndirectories=a\n"
                 "[step cp]\ntype=copy\nsource=a\ndestination=b\n",
                 "");
  builder = bb_config_find_builder (f->config, "b");
  /* The tables here and those of core/build count in the same order. */
  for (guint i = 0; i < BB_N_STEP_TYPES; i++)
    {
      step = g_ptr_array_index (builder->steps, i);
      g_assert_cmpint (step->type, ==, (int) i);
      if (i != BB_STEP_SHELL)
        g_assert_cmpint (step->halt_on_failure, ==, bb_step_types[i].halt_on_failure);
      g_assert_cmpint (step->flunk_on_failure, ==, bb_step_types[i].flunk_on_failure);
    }
  step = g_ptr_array_index (builder->steps, 0);
  assert_list (step->argv, "sh|-c|echo a;b");
  g_assert_cmpfloat (step->timeout, ==, 0);
  g_assert_cmpfloat (step->sigterm_time, ==, 5);
  g_assert_true (step->halt_on_failure);
  g_assert_true (step->log_environ);
  step = g_ptr_array_index (builder->steps, 4);
  assert_list (step->directories, "a|b");

  assert_errors (f,
                 "[builder b]\nsteps=a;b;c;d;e;f;g;h;\n"
                 "[step a]\ncommand=x\nargv=y\n[step b]\n[step c]\ntype=uplaod\n[step d]\ntype=mkdir\ncommand=x\n"
                 "[step e]\ncommand=date +%s\n[step f]\ncommand=login %(slave:password)s\n"
                 "[step g]\ntype=download\nsource=a\ndestination=b\nmode=rw\nmax_size=0.5\n[step h]\nargv=\n",
                 "bbhost.conf: [step a] argv: is given beside command; keep one of them\n"
                 "bbhost.conf: [step b] command: is missing; give command= or argv=\n"
                 "bbhost.conf: [step c] type: \"uplaod\" is not one of: shell, upload, upload-directory, download, mkdir, "
                 "rmdir, copy; did you mean \"upload\"?\n"
                 "bbhost.conf: [step d] command: is not an option of a step of type \"mkdir\"; remove it\n"
                 "bbhost.conf: [step d] directories: is missing; a step of type \"mkdir\" needs it\n"
                 "bbhost.conf: [step e] command: there is a lone % at \"%s\"; write %% for a percent sign\n"
                 "bbhost.conf: [step f] command: %(slave:password)s has no value in a step, whose log would show it; "
                 "remove it\n"
                 "bbhost.conf: [step g] max_size: \"0.5\" is not a whole number from 1 to 100000000000000, or none\n"
                 "bbhost.conf: [step h] argv: is empty; give a program and its arguments, as in make;-j4;\n");
}

static void
test_listeners (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const BbListenerConfig *a;
  const BbListenerConfig *b;
  g_autofree char *expected =
    g_strdup_printf ("bbhost.conf: [listener b] port: 9989 is already used by [listener a]; use another\n"
                     "bbhost.conf: [listener c] protocol: \"http\" is neither pb nor msgpack\n"
                     "bbhost.conf: [listener c] address: \"localhost\" is not an IP address, nor * for all\n"
                     "bbhost.conf: [listener d] port: \"70000\" is not a whole number from 0 to 65535\n"
                     "bbhost.conf: [listener e] tls_certificate: %s/cert.pem: No such file or directory\n"
                     "bbhost.conf: [listener e] tls_private_key: is missing; tls_certificate needs it\n"
                     "bbhost.conf: [listener f] tls_private_key: others can read the secret in \"%s/key.pem\"; run chmod "
                     "600 '%s/key.pem'\n"
                     "bbhost.conf: [listener g] tls_certificate: is missing; without it there is no TLS\n"
                     "bbhost.conf: [listener h] tls_certificate: %s/key2.pem: not a certificate chain in PEM (no start "
                     "line)\n"
                     "bbhost.conf: [listener h] tls_client_ca: %s/key2.pem: not certificates in PEM (no start line)\n",
                     f->dir, f->dir, f->dir, f->dir, f->dir);

  write_file (f, "key.pem", 0644, "");
  write_file (f, "key2.pem", 0600, "");
  assert_errors (f,
                 "[listener a]\n[listener b]\nprotocol=pb\naddress=127.0.0.1\n"
                 "[listener c]\nprotocol=http\naddress=localhost\nport=1\n[listener d]\nport=70000\n"
                 "[listener e]\nport=2\ntls_certificate=cert.pem\n[listener f]\nport=3\ntls_private_key=key.pem\n"
                 "[listener g]\nport=4\ntls_private_key=key2.pem\n"
                 "[listener h]\nport=5\ntls_certificate=key2.pem\ntls_private_key=key2.pem\ntls_client_ca=key2.pem\n",
                 expected);
  assert_errors (f, "[listener a]\naddress=*\n[listener b]\naddress=::1\nport=0\n[listener c]\nport=0\n", "");
  a = g_ptr_array_index (bb_config_get_listeners (f->config), 0);
  b = g_ptr_array_index (bb_config_get_listeners (f->config), 1);
  g_assert_null (a->address);
  g_assert_cmpstr (b->address, ==, "::1");
  g_assert_true (bb_listener_config_is_same_socket (a, a));
  g_assert_false (bb_listener_config_is_same_socket (a, b));
}

static void
test_notifiers (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const BbNotifierConfig *notifier;

  assert_errors (f, "[notifier mail]\ntype=mailer\nfromaddr=a@b.c\nbuilders=\nsmtpPassword=x\n", "");
  notifier = g_ptr_array_index (bb_config_get_notifiers (f->config), 0);
  g_assert_cmpstr (notifier->name, ==, "mail");
  g_assert_true (notifier->provides->is_notifier);
  g_assert_cmpstr (*(char **) notifier->plugin_config, ==, "a@b.c");
  assert_errors (f,
                 "[notifier a]\ntype=smtp\n[notifier b]\n[notifier c]\ntype=cloud\n"
                 "[notifier d]\ntype=mailer\nfromadr=x\n[notifier e]\ntype=mailer\nfromaddr=nobody\n",
                 "bbhost.conf: [notifier a] type: there is no plugin \"smtp\" in PLUGINS; install the package "
                 "bbhost-plugin-smtp\n"
                 "bbhost.conf: [notifier b] type: is missing; type=smtp sends mail\n"
                 "bbhost.conf: [notifier c] type: \"cloud\" is a type of slaves; it belongs into [slave NAME]\n"
                 "bbhost.conf: [notifier d] fromadr: is not an option of type \"mailer\"; did you mean \"fromaddr\"?\n"
                 "bbhost.conf: [notifier d] fromaddr: is missing; type \"mailer\" needs it\n"
                 "bbhost.conf: [notifier e] fromaddr: \"nobody\" is no address\n");
}

/* D4: a reload finds what is the same. */
static void
test_equal (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  static const char base[] = "[slave a]\npassword=x\n[slave b]\npassword=x\n[step s]\ncommand=x\n"
                             "[builder b]\nslavenames=a\nsteps=s\nenv=A=b\nproperties=a=1\n";
  static const char *const changes[] = { "[step t]\ncommand=y\n[builder b]\nslavenames=a\nsteps=t\nenv=A=b\nproperties=a=1\n",
                                         "[builder b]\nslavenames=b\nsteps=s\nenv=A=b\nproperties=a=1\n",
                                         "[builder b]\nslavenames=a\nsteps=s\nproperties=a=1\n",
                                         "[builder b]\nslavenames=a\nsteps=s\nenv=A=b\nproperties=a=\"1\"\n",
                                         "[builder b]\nslavenames=a\nsteps=s;s;\nenv=A=b\nproperties=a=1\n",
                                         "[builder b]\nslavenames=a\nsteps=s\nenv=A=b\nproperties=a=1\nbuilddir=c\n" };
  g_autoptr (BbConfig) before = NULL;
  const BbBuilderConfig *old;

  assert_errors (f, base, "");
  before = g_steal_pointer (&f->config);
  old = bb_config_find_builder (before, "b");
  assert_errors (f, base, "");
  g_assert_true (bb_builder_config_equal (old, bb_config_find_builder (f->config, "b")));
  g_assert_true (bb_slave_settings_equal (find_slave (f, "a")->settings,
                                          bb_config_find_slave (before, "a")->settings, FALSE));
  for (gsize i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autofree char *contents = g_strndup (base, strstr (base, "[builder") - base);
      g_autofree char *text = g_strconcat (contents, changes[i], NULL);

      assert_errors (f, text, "");
      g_assert_false (bb_builder_config_equal (old, bb_config_find_builder (f->config, "b")));
    }
}

/* D11, D16: what needs another plugin works on. */
static void
test_left_out (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  static const char contents[] =
    "[slave a]\npassword=x\n[slave b{1..3}]\ntype=ec2\npassword=auto\nami=x\n[properties b1]\na=b\n"
    "[builder both]\nslavenames=b1;a;\nsteps=s\n[builder none]\nslavenames=b*\nsteps=s\n[step s]\ncommand=x\n"
    "[notifier mail]\ntype=smtp\nfromaddr=x\n";
  g_autoptr (GString) expected = g_string_new (
    "bbhost.conf: [slave b{1..3}] type: there is no plugin \"ec2\" in PLUGINS; install the package bbhost-plugin-ec2; "
    "until then this is left out\n"
    "bbhost.conf: [builder none] slavenames: there is no slave, so that builds will wait for ever; name some\n"
    "bbhost.conf: [notifier mail] type: there is no plugin \"smtp\" in PLUGINS; install the package bbhost-plugin-smtp; "
    "until then this is left out\n");
  g_autofree char *warnings = NULL;

  g_string_replace (expected, "PLUGINS", f->plugins, 0);
  write_file (f, "bbhost.conf", 0600, contents);
  f->config = bb_config_load_usable (f->dir, f->registry, f->errors, f->warnings);
  g_assert_cmpuint (f->errors->len, ==, 0);
  warnings = join (f->warnings);
  g_assert_cmpstr (warnings, ==, expected->str);
  g_assert_cmpuint (bb_config_get_slaves (f->config)->len, ==, 1);
  g_assert_cmpuint (bb_config_get_notifiers (f->config)->len, ==, 0);
  assert_list (bb_config_find_builder (f->config, "both")->slavenames, "a");
  assert_list (bb_config_find_builder (f->config, "none")->slavenames, "");

  /* Any other mistake stops it all the same; to --check-config a missing plugin is one. */
  load (f);
  g_assert_null (f->config);
  g_assert_cmpuint (f->errors->len, ==, 2);
}

/* Every group of its own, as a generator would write it. */
static void
test_10000_slaves (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) text = g_string_new ("[step s]\ncommand=x\n");
  gint64 start;
  double seconds;

  for (int i = 0; i < 10000; i++)
    g_string_append_printf (text,
                            "[slave bot-%d]\ntype=cloud\nami=ami-%d\npassword=secret-%d\nmax_builds=2\n"
                            "notify_on_missing=bob@example.org;\ntags=a=b;c=d;\n\n[properties bot-%d]\nos=linux\nn=%d\n\n",
                            i, i, i, i, i);
  for (int i = 0; i < 50; i++)
    g_string_append_printf (text, "[builder b%d]\nslavenames=bot-%d*;bot-7;\nsteps=s\n", i, i % 10);
  write_file (f, "bbhost.conf", 0600, text->str);
  start = g_get_monotonic_time ();
  load (f);
  seconds = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
  g_assert_cmpuint (f->errors->len, ==, 0);
  g_assert_cmpuint (bb_config_get_slaves (f->config)->len, ==, 10000);
  assert_property (find_slave (f, "bot-9999"), "n", "int64 9999");
  g_test_minimized_result (seconds, "10,000 slaves in %.3f s", seconds);
  /* Sanitizers and a busy machine take their share; what is quadratic takes minutes. */
  g_assert_cmpfloat (seconds, <, 10);
}

#define ADD(PATH, FUNC) g_test_add (PATH, Fixture, NULL, fixture_set_up, FUNC, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/config/example", test_example);
  ADD ("/config/nothing", test_nothing);
  ADD ("/config/every-error", test_every_error);
  ADD ("/config/latent-errors", test_latent_errors);
  ADD ("/config/syntax", test_syntax);
  ADD ("/config/like-key-file", test_like_key_file);
  ADD ("/config/files", test_files);
  ADD ("/config/rights", test_rights);
  ADD ("/config/secrets-stay-secret", test_secrets_stay_secret);
  ADD ("/config/passwords", test_passwords);
  ADD ("/config/password-credential", test_password_credential);
  ADD ("/config/ranges", test_ranges);
  ADD ("/config/templates", test_templates);
  ADD ("/config/properties", test_properties);
  ADD ("/config/names", test_names);
  ADD ("/config/builders", test_builders);
  ADD ("/config/too-many-builders", test_too_many_builders);
  ADD ("/config/steps", test_steps);
  ADD ("/config/listeners", test_listeners);
  ADD ("/config/notifiers", test_notifiers);
  ADD ("/config/equal", test_equal);
  ADD ("/config/left-out", test_left_out);
  ADD ("/config/10000-slaves", test_10000_slaves);
  return g_test_run ();
}
