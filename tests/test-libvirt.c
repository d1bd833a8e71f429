/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bb-delay-private.h"
#include "bb-error.h"
#include "bb-libvirt-config.h"
#include "bb-libvirt-connection.h"
#include "bb-libvirt-slave.h"
#include "bb-option-struct.h"
#include "suite-latent.h"

/* The libvirt backend on libvirt's test driver, which has domains and events, but no guests: the suite, for both kinds of
 * domains, then what is peculiar. */

#define URI "test:///default"
#define TOKEN "5f0c8d5e-6a51-4f3c-9a52-0d4a8f0e7c22"
#define DOMAIN_XML                                                                                                     \
  "<domain type='test'><name>%s</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices>"  \
  "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='%s'/><target dev='vda' bus='virtio'/>" \
  "</disk></devices></domain>"

typedef struct
{
  char *dir;
  char *hd_image;
  char *base_image;
  gpointer config;
  virConnectPtr raw; /* keeps what the driver knows, and acts behind bbhost's back */
} Backend;

static void
set_option (Backend *backend, const char *key, const char *value)
{
  g_autoptr (GError) error = NULL;

  bb_option_parse (bb_option_find (bb_libvirt_options, key), backend->config, value, NULL, &error);
  g_assert_no_error (error);
}

static Backend *
backend_new (const char *dir)
{
  Backend *backend = g_new0 (Backend, 1);
  g_autoptr (BbLibvirtConnection) connection = bb_libvirt_connection_get (URI);

  backend->dir = g_strdup (dir);
  backend->hd_image = g_build_filename (dir, "it's a disk \"1\".qcow2", NULL);
  backend->base_image = bb_test_write_file (dir, "base $(x).raw", 0444, "the base image");
  backend->config = bb_option_struct_new_default (bb_libvirt_options);
  /* After the first connection object, which brings libvirt into the main loop. */
  backend->raw = virConnectOpen (URI);
  g_assert_nonnull (backend->raw);
  set_option (backend, "connection", URI);
  set_option (backend, "hd_image", backend->hd_image);
  return backend;
}

/* The driver forgets when its last connection is closed, and ours is closed by a thread some time later. */
static void
undefine_all (Backend *backend)
{
  virDomainPtr *domains = NULL;
  int n = virConnectListAllDomains (backend->raw, &domains, VIR_CONNECT_LIST_DOMAINS_INACTIVE);

  for (int i = 0; i < n; i++)
    {
      g_assert_cmpint (virDomainUndefine (domains[i]), ==, 0);
      virDomainFree (domains[i]);
    }
  free (domains);
}

static void
backend_free (gpointer data)
{
  Backend *backend = data;

  undefine_all (backend);

  bb_option_struct_free (bb_libvirt_options, backend->config);
  virConnectClose (backend->raw);
  g_free (backend->hd_image);
  g_free (backend->base_image);
  g_free (backend->dir);
  g_free (backend);
}

static void
set_xml (Backend *backend)
{
  g_autofree char *xml = g_markup_printf_escaped (DOMAIN_XML, "any", backend->hd_image);

  set_option (backend, "xml", xml);
}

static void
define (Backend *backend, const char *name)
{
  g_autofree char *xml = g_markup_printf_escaped (DOMAIN_XML, name, backend->hd_image);
  virDomainPtr domain = virDomainDefineXML (backend->raw, xml);

  g_assert_nonnull (domain);
  virDomainFree (domain);
}

/* (nullable): NULL when it does not run */
static char *
dump (Backend *backend, const char *name)
{
  virDomainPtr domain = virDomainLookupByName (backend->raw, name);
  char *xml = domain != NULL && virDomainIsActive (domain) == 1 ? virDomainGetXMLDesc (domain, 0) : NULL;
  char *copy = g_strdup (xml);

  free (xml);
  if (domain != NULL)
    virDomainFree (domain);
  return copy;
}

static void
kill_domain (Backend *backend, const char *name)
{
  virDomainPtr domain = virDomainLookupByName (backend->raw, name);

  g_assert_nonnull (domain);
  g_assert_cmpint (virDomainDestroy (domain), ==, 0);
  virDomainFree (domain);
}

static gpointer
suite_set_up_xml (const char *dir)
{
  Backend *backend = backend_new (dir);

  set_xml (backend);
  set_option (backend, "hand_over", "nocloud");
  return backend;
}

static gpointer
suite_set_up_defined (const char *dir)
{
  Backend *backend = backend_new (dir);

  define (backend, "bot1");
  define (backend, "bot10");
  return backend;
}

static BbLatentSlave *
new_slave (gpointer data, const char *name)
{
  Backend *backend = data;

  return g_object_new (BB_LIBVIRT_TYPE_SLAVE, "name", name, "config", backend->config, NULL);
}

static void
suite_kill_instance (gpointer data, BbInstance *instance)
{
  kill_domain (data, bb_instance_get_slave_name (instance));
}

static const BbLatentSuite suite_xml
  = { "/libvirt/xml", suite_set_up_xml, backend_free, new_slave, suite_kill_instance, TRUE };
static const BbLatentSuite suite_defined
  = { "/libvirt/defined", suite_set_up_defined, backend_free, new_slave, suite_kill_instance, FALSE };

typedef struct
{
  char *dir;
  Backend *backend;
  BbLatentSlave *slave;
  GPtrArray *resources;
  BbInstanceRequest *request;
} Fixture;

static void
fixture_set_up (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  f->dir = bb_test_make_dir ();
  f->backend = backend_new (f->dir);
  f->slave = new_slave (f->backend, "bot1");
  f->resources = g_ptr_array_new_with_free_func (g_free);
  f->request = bb_latent_suite_new_request (f->dir, "bot1", TOKEN, f->resources);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) left = bb_latent_suite_list (f->slave, BB_LATENT_SUITE_STORE);

  g_assert_cmpuint (left->len, ==, 0);
  g_object_unref (f->request);
  g_ptr_array_unref (f->resources);
  g_object_unref (f->slave);
  backend_free (f->backend);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
}

static BbInstance *
start (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  BbInstance *instance = bb_latent_suite_start (f->slave, f->request, &error);

  g_assert_no_error (error);
  return instance;
}

static void
assert_start_fails (Fixture *f, int code, const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (bb_latent_suite_start (f->slave, f->request, &error));
  g_assert_error (error, BB_ERROR, code);
  g_assert_cmpstr (error->message, ==, message);
}

static void
stop (Fixture *f, BbInstance *instance)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (bb_latent_suite_stop (f->slave, instance, FALSE, &error));
  g_assert_no_error (error);
}

static gboolean
has_qemu_img (void)
{
  g_autofree char *path = g_find_program_in_path ("qemu-img");

  if (path == NULL)
    g_test_skip ("there is no qemu-img; install qemu-utils");
  return path != NULL;
}

/* V1 */
static void
test_not_defined (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  define (f->backend, "bot10");
  assert_start_fails (f, BB_ERROR_PERMANENT,
                      "slave bot1: libvirt: no domain \"bot1\" is defined; define it with: virsh -c test:///default define "
                      "FILE; or set xml");
}

/* V14: while it runs its metadata has it all; the definition is never touched. */
static void
test_metadata (Fixture *f, gconstpointer data)
{
  g_autoptr (BbInstance) instance = NULL;
  g_autofree char *auth = NULL;
  g_autofree char *live = NULL;
  virDomainPtr domain;
  char *xml;

  define (f->backend, "bot1");
  if (data != NULL)
    set_option (f->backend, "masterFQDN", data);
  instance = start (f);
  g_assert_true (g_str_has_suffix (bb_instance_get_id (instance), "/" TOKEN));
  live = dump (f->backend, "bot1");
  auth = g_strdup_printf ("username=\"bot1\" password=\"" BB_LATENT_SUITE_PASSWORD "\" master=\"%s\"",
                          data != NULL ? (const char *) data : "127.0.0.1");
  g_assert_nonnull (strstr (live, auth));
  stop (f, instance);
  domain = virDomainLookupByName (f->backend->raw, "bot1");
  xml = virDomainGetXMLDesc (domain, VIR_DOMAIN_XML_SECURE);
  g_assert_null (strstr (xml, BB_LATENT_SUITE_PASSWORD));
  g_assert_null (strstr (xml, "https://bbhost.org"));
  free (xml);
  virDomainFree (domain);
}

/* V2; the name is the slave's whatever the definition says. */
static void
test_transient (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = NULL;
  g_autofree char *live = NULL;
  virDomainPtr domain;

  set_xml (f->backend);
  instance = start (f);
  g_assert_cmpstr (bb_instance_get_id (instance), ==, TOKEN);
  live = dump (f->backend, "bot1");
  g_assert_null (strstr (live, BB_LATENT_SUITE_PASSWORD));
  stop (f, instance);
  domain = virDomainLookupByName (f->backend->raw, "bot1");
  g_assert_null (domain);
}

static void
test_xml_and_defined (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  define (f->backend, "bot1");
  set_xml (f->backend);
  assert_start_fails (f, BB_ERROR_PERMANENT,
                      "slave bot1: libvirt: a domain \"bot1\" is defined already; remove it with: virsh -c test:///default "
                      "undefine bot1; or leave out xml");
}

/* V7, C4 */
static void
test_runs_already (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *xml = g_markup_printf_escaped (DOMAIN_XML, "bot1", f->backend->hd_image);
  g_autoptr (BbInstance) lost = bb_instance_new ("", TOKEN);
  virDomainPtr domain = virDomainCreateXML (f->backend->raw, xml, 0);
  g_autofree char *live = NULL;

  set_xml (f->backend);
  assert_start_fails (f, BB_ERROR_FAILED,
                      "slave bot1: libvirt: domain \"bot1\" runs already, and was not started by this bbhost; it is left "
                      "alone");
  stop (f, lost);
  live = dump (f->backend, "bot1");
  g_assert_nonnull (live);
  virDomainDestroy (domain);
  virDomainFree (domain);
}

/* V7: the answer to an earlier start of the same row was lost. */
static void
test_started_before (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) first = NULL;
  g_autoptr (BbInstance) second = NULL;

  set_xml (f->backend);
  first = start (f);
  second = start (f);
  g_assert_cmpstr (bb_instance_get_id (first), ==, bb_instance_get_id (second));
  stop (f, second);
}

/* A domain of ours that no row answers for any more makes room for a fresh one; its late stop does no harm to that. */
static void
test_left_over (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) resources = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BbInstance) first = NULL;
  g_autoptr (BbInstance) second = NULL;
  g_autofree char *live = NULL;

  set_xml (f->backend);
  first = start (f);
  g_set_object (&f->request, NULL);
  f->request = bb_latent_suite_new_request (f->dir, "bot1", "11111111-6a51-4f3c-9a52-0d4a8f0e7c22", resources);
  second = start (f);
  g_assert_cmpstr (bb_instance_get_id (first), !=, bb_instance_get_id (second));
  stop (f, first);
  live = dump (f->backend, "bot1");
  g_assert_nonnull (live);
  stop (f, second);
  g_clear_object (&f->request);
  f->request = bb_latent_suite_new_request (f->dir, "bot1", TOKEN, f->resources);
}

static void
count_cb (BbLatentSlave *slave, gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
}

/* V12 */
static void
test_destroyed (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = NULL;
  g_autoptr (BbInstance) now = NULL;
  gboolean told = FALSE;

  set_xml (f->backend);
  g_signal_connect (f->slave, "instance-changed", G_CALLBACK (count_cb), &told);
  instance = start (f);
  kill_domain (f->backend, "bot1");
  bb_test_run_until (&told);
  now = bb_latent_suite_check (f->slave, instance);
  g_assert_cmpint (bb_instance_get_state (now), ==, BB_INSTANCE_FAILED);
  g_assert_cmpstr (bb_instance_get_reason (now), ==, "the domain was destroyed");
  stop (f, instance);
}

/* A domain whose name only begins like the slave's is nobody's business. */
static void
test_similar_name (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) resources = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BbLatentSlave) other = new_slave (f->backend, "bot10");
  g_autoptr (BbInstanceRequest) request
    = bb_latent_suite_new_request (f->dir, "bot10", "22222222-6a51-4f3c-9a52-0d4a8f0e7c22", resources);
  g_autoptr (BbInstance) theirs = NULL;
  g_autoptr (BbInstance) ours = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *live = NULL;
  gboolean told = FALSE;

  set_xml (f->backend);
  g_signal_connect (other, "instance-changed", G_CALLBACK (count_cb), &told);
  theirs = bb_latent_suite_start (other, request, &error);
  g_assert_no_error (error);
  ours = start (f);
  stop (f, ours);
  live = dump (f->backend, "bot10");
  g_assert_nonnull (live);
  g_assert_false (told);
  g_assert_true (bb_latent_suite_stop (other, theirs, TRUE, &error));
}

static void
note_end_cb (const char *what, gpointer user_data)
{
  char **end = user_data;

  g_free (*end);
  *end = g_strdup (what);
}

static gboolean
is_set (gpointer user_data)
{
  return *(char **) user_data != NULL;
}

static gint refuses_shut_down;

/* In place of libvirt's own, as its test driver never fails at this. */
int
virDomainShutdown (virDomainPtr domain)
{
  return g_atomic_int_get (&refuses_shut_down) ? -1 : virDomainShutdownFlags (domain, 0);
}

typedef struct
{
  const char *graceful;
  gboolean refused;
  gboolean fast;
  const char *end;
} StopCase;

/* The driver's guests shut down at once. */
static void
test_stop (Fixture *f, gconstpointer data)
{
  const StopCase *c = data;
  g_autoptr (BbLibvirtConnection) connection = bb_libvirt_connection_get (URI);
  g_autoptr (BbInstance) instance = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *end = NULL;
  gboolean told = FALSE;
  virDomainPtr domain;

  set_xml (f->backend);
  set_option (f->backend, "graceful_shutdown", c->graceful);
  g_signal_connect (f->slave, "instance-changed", G_CALLBACK (count_cb), &told);
  bb_libvirt_connection_watch (connection, "bot1", note_end_cb, &end);
  instance = start (f);
  domain = virDomainLookupByName (f->backend->raw, "bot1");
  g_atomic_int_set (&refuses_shut_down, c->refused);
  g_assert_true (bb_latent_suite_stop (f->slave, instance, c->fast, &error));
  g_assert_no_error (error);
  bb_test_run_until_true (is_set, &end);
  g_assert_cmpstr (end, ==, c->end);
  g_assert_false (told);
  g_assert_cmpint (virDomainIsActive (domain), !=, 1);
  virDomainFree (domain);
  bb_libvirt_connection_unwatch (connection, "bot1", note_end_cb, &end);
  g_atomic_int_set (&refuses_shut_down, FALSE);
}

static const StopCase stop_cases[] = {
  { "false", FALSE, FALSE, "the domain was destroyed" },
  { "true", FALSE, FALSE, "the guest has shut down" },
  { "true", TRUE, FALSE, "the domain was destroyed" },
  { "true", FALSE, TRUE, "the domain was destroyed" },
};

static void
assert_contents (const char *path, const char *contents)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, contents);
}

static void
assert_file_count (Fixture *f, guint expected)
{
  g_autoptr (GDir) dir = g_dir_open (f->dir, 0, NULL);
  guint count = 0;

  while (g_dir_read_name (dir) != NULL)
    count++;
  g_assert_cmpuint (count, ==, expected);
}

/* V3, V4, C13; and a link in the place of the image is not followed. */
static void
test_overlay (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = NULL;
  g_autofree char *resource = g_strconcat ("file:", f->backend->hd_image, NULL);
  g_autofree char *head = NULL;
  g_autofree char *live = NULL;
  gsize length;

  if (!has_qemu_img ())
    return;
  set_option (f->backend, "base_image", f->backend->base_image);
  set_xml (f->backend);
  g_assert_cmpint (symlink (f->backend->base_image, f->backend->hd_image), ==, 0);
  instance = start (f);
  g_assert_cmpstr (f->resources->pdata[0], ==, resource);
  g_assert_true (g_file_get_contents (f->backend->hd_image, &head, &length, NULL));
  g_assert_cmpmem (head, 4, "QFI\xfb", 4);
  g_assert_nonnull (memmem (head, length, "raw", 3));
  g_assert_nonnull (memmem (head, length, f->backend->base_image, strlen (f->backend->base_image)));
  live = dump (f->backend, "bot1");
  g_assert_nonnull (strstr (live, "<driver name='qemu' type='qcow2'/>"));
  stop (f, instance);
  g_assert_false (g_file_test (f->backend->hd_image, G_FILE_TEST_EXISTS));
  assert_contents (f->backend->base_image, "the base image");
  assert_file_count (f, 1);
}

static void
test_full_copy (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = NULL;
  g_autofree char *copy = NULL;

  if (!has_qemu_img ())
    return;
  set_option (f->backend, "base_image", f->backend->base_image);
  set_option (f->backend, "cheap_copy", "false");
  set_xml (f->backend);
  instance = start (f);
  g_assert_true (g_file_get_contents (f->backend->hd_image, &copy, NULL, NULL));
  g_assert_true (g_str_has_prefix (copy, "the base image"));
  stop (f, instance);
  assert_file_count (f, 1);
}

/* V5: a file system that takes no more, in the shape of a limit that qemu-img inherits. */
static void
test_no_room (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const gsize size = 1024 * 1024;
  g_autofree char *big = g_build_filename (f->dir, "big.raw", NULL);
  g_autofree char *contents = g_malloc (size);
  struct rlimit before;
  struct rlimit small;
  g_autoptr (GError) error = NULL;

  if (!has_qemu_img ())
    return;
  memset (contents, 'x', size);
  g_assert_true (g_file_set_contents (big, contents, (gssize) size, NULL));
  set_option (f->backend, "base_image", big);
  set_option (f->backend, "cheap_copy", "false");
  set_xml (f->backend);
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
  small = before;
  small.rlim_cur = size / 4;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
  g_assert_null (bb_latent_suite_start (f->slave, f->request, &error));
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);
  g_assert_error (error, BB_ERROR, BB_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "can't be made: qemu-img: "));
  g_assert_nonnull (strstr (error->message, "File too large"));
  assert_file_count (f, 2);
}

/* V5: what is configured is believed, and qemu-img is told. */
static void
test_base_format (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  if (!has_qemu_img ())
    return;
  set_option (f->backend, "base_image", f->backend->base_image);
  set_option (f->backend, "base_format", "vpc");
  set_xml (f->backend);
  g_assert_null (bb_latent_suite_start (f->slave, f->request, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "can't be made: qemu-img: "));
  g_assert_nonnull (strstr (error->message, "invalid VPC image"));
  assert_file_count (f, 1);
}

/* Without base_image it is the user's. */
static void
test_image_as_it_is (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = NULL;

  g_assert_true (g_file_set_contents (f->backend->hd_image, "an image", -1, NULL));
  set_xml (f->backend);
  instance = start (f);
  g_assert_cmpuint (f->resources->len, ==, 0);
  stop (f, instance);
  assert_contents (f->backend->hd_image, "an image");
}

/* V5: the reason is qemu-img's, and nothing half-made stays. */
static void
test_copy_fails (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *missing = g_build_filename (f->dir, "no folder", "x.qcow2", NULL);
  g_autoptr (BbInstance) lost = bb_instance_new ("", TOKEN);
  g_autoptr (GError) error = NULL;
  g_autofree char *live = NULL;

  if (!has_qemu_img ())
    return;
  g_free (f->backend->hd_image);
  f->backend->hd_image = g_strdup (missing);
  set_option (f->backend, "hd_image", missing);
  set_option (f->backend, "base_image", f->backend->base_image);
  set_xml (f->backend);
  g_assert_null (bb_latent_suite_start (f->slave, f->request, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_true (g_str_has_prefix (error->message, "slave bot1: libvirt: \""));
  g_assert_nonnull (strstr (error->message, "can't be made: qemu-img: "));
  g_assert_nonnull (strstr (error->message, "No such file or directory"));
  live = dump (f->backend, "bot1");
  g_assert_null (live);
  assert_file_count (f, 1);
  stop (f, lost);
}

static void
test_base_missing (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *message = g_strdup_printf (
    "slave bot1: libvirt: base_image \"%s\" can't be read: No such file or directory", f->backend->base_image);

  g_assert_cmpint (g_unlink (f->backend->base_image), ==, 0);
  set_option (f->backend, "base_image", f->backend->base_image);
  set_xml (f->backend);
  assert_start_fails (f, BB_ERROR_PERMANENT, message);
}

/* The base under another name is the base. */
static void
test_base_is_disk (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *message = g_strdup_printf (
    "slave bot1: libvirt: hd_image \"%s\" is base_image itself, which must never be written; name another file",
    f->backend->hd_image);

  g_assert_cmpint (link (f->backend->base_image, f->backend->hd_image), ==, 0);
  set_option (f->backend, "base_image", f->backend->base_image);
  set_xml (f->backend);
  assert_start_fails (f, BB_ERROR_PERMANENT, message);
  assert_contents (f->backend->base_image, "the base image");
}

/* V6 */
static void
test_other_disk (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  define (f->backend, "bot1");
  set_option (f->backend, "hd_image", "/srv/another.img");
  set_option (f->backend, "base_image", f->backend->base_image);
  g_assert_null (bb_latent_suite_start (f->slave, f->request, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_true (g_str_has_prefix (error->message,
                                   "slave bot1: libvirt: no disk of the domain is hd_image, \"/srv/another.img\""));
  g_assert_cmpuint (f->resources->len, ==, 0);
}

/* A10: gone as soon as it was read, and never in a definition. */
static void
test_fwcfg (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = NULL;
  g_autofree char *live = NULL;

  set_xml (f->backend);
  set_option (f->backend, "hand_over", "fwcfg");
  instance = start (f);
  live = dump (f->backend, "bot1");
  g_assert_nonnull (strstr (live, "opt/org.bbhost/password"));
  g_assert_null (strstr (live, BB_LATENT_SUITE_PASSWORD));
  g_assert_nonnull (strstr (live, "<entry name='opt/org.bbhost/master'>127.0.0.1:9</entry>"));
  g_assert_true (g_str_has_suffix (f->resources->pdata[0], "/bbhost-" TOKEN ".password"));
  assert_file_count (f, 1);
  stop (f, instance);
}

static char *
get_seed (Fixture *f, gsize *length, struct stat *info)
{
  const char *resource = f->resources->pdata[0];
  const char *path = resource + strlen ("file:");
  char *seed = NULL;

  g_assert_true (g_str_has_prefix (resource, "file:"));
  g_assert_cmpint (stat (path, info), ==, 0);
  g_assert_true (g_file_get_contents (path, &seed, length, NULL));
  return seed;
}

static gboolean
contains (const char *data, gsize length, const char *text)
{
  return memmem (data, length, text, strlen (text)) != NULL;
}

/* A10: a disk that only QEMU may read, gone after the stop. */
static void
test_nocloud (Fixture *f, gconstpointer data)
{
  const char *how = data;
  g_autofree char *folder = g_build_filename (f->dir, "seeds", NULL);
  g_autofree char *user_data = bb_test_write_file (f->dir, "user-data", 0600, "#cloud-config of %(slave:name)s!");
  g_autoptr (BbInstance) instance = NULL;
  g_autofree char *live = NULL;
  g_autofree char *seed = NULL;
  struct stat info;
  gsize length;

  set_xml (f->backend);
  set_option (f->backend, "hand_over", "nocloud");
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  if (g_str_equal (how, "hand_over_directory"))
    set_option (f->backend, how, folder);
  else if (g_str_equal (how, "hand_over_group"))
    set_option (f->backend, how, "root");
  else if (g_str_equal (how, "user_data"))
    set_option (f->backend, how, "#cloud-config of %(slave:name)s!");
  else if (g_str_equal (how, "user_data_file"))
    set_option (f->backend, how, user_data);
  instance = start (f);
  live = dump (f->backend, "bot1");
  g_assert_null (strstr (live, BB_LATENT_SUITE_PASSWORD));
  seed = get_seed (f, &length, &info);
  g_assert_true (contains (seed, length, "name=bot1\npassword=" BB_LATENT_SUITE_PASSWORD "\n"));
  g_assert_cmpint (contains (seed, length, "#cloud-config of bot1!"), ==, g_str_has_prefix (how, "user_data"));
  g_assert_cmpint (contains (seed, length, "path: /etc/bbhost/slave"), ==, !g_str_has_prefix (how, "user_data"));
  g_assert_cmpint (info.st_mode & 0777, ==, g_str_equal (how, "hand_over_group") ? 0640 : 0600);
  g_assert_cmpint (strstr (f->resources->pdata[0], "/seeds/") != NULL, ==, g_str_equal (how, "hand_over_directory"));
  stop (f, instance);
  g_assert_cmpint (stat ((const char *) f->resources->pdata[0] + strlen ("file:"), &info), ==, -1);
}

static void
test_interpolated (Fixture *f, gconstpointer data)
{
  const char *xml = "<domain type='test'><title>%(slave:name)s of %(prop:branch)s, 100 %%</title>"
                    "<memory>65536</memory><os><type>hvm</type></os></domain>";
  g_autoptr (BbInstance) instance = NULL;
  g_autofree char *file = NULL;
  g_autofree char *live = NULL;

  if (data != NULL)
    file = bb_test_write_file (f->dir, "slave.xml", 0600, xml);
  set_option (f->backend, data != NULL ? data : "xml", data != NULL ? file : xml);
  instance = start (f);
  live = dump (f->backend, "bot1");
  g_assert_nonnull (strstr (live, "<title>bot1 of trunk, 100 %</title>"));
  stop (f, instance);
  set_option (f->backend, "xml", "<domain><title>%(prop:nothing)s</title></domain>");
  {
    g_autoptr (GError) error = NULL;

    g_assert_null (bb_latent_suite_start (f->slave, f->request, &error));
    g_assert_error (error, BB_ERROR, BB_ERROR_PERMANENT);
    g_assert_true (g_str_has_prefix (error->message, "slave bot1: libvirt: xml: "));
    g_assert_nonnull (strstr (error->message, "nothing"));
  }
}

static void
test_bad_xml (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  set_option (f->backend, "xml", "<domain type='test'><memory>none</memory></domain>");
  g_assert_null (bb_latent_suite_start (f->slave, f->request, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_true (g_str_has_prefix (error->message, "slave bot1: libvirt: starting the domain: "));
}

/* The driver's pool, which has volumes but no files. */

#define POOL "/default-pool"
#define POOL_BASE POOL "/base.qcow2"
#define POOL_DISK POOL "/bot1.qcow2"

static virStorageVolPtr
make_volume (Backend *backend, const char *name, const char *format)
{
  virStoragePoolPtr pool = virStoragePoolLookupByName (backend->raw, "default-pool");
  g_autofree char *xml
    = g_strdup_printf ("<volume><name>%s</name><capacity>1048576</capacity><target><format type='%s'/></target></volume>",
                       name, format);
  virStorageVolPtr volume = virStorageVolCreateXML (pool, xml, 0);

  g_assert_nonnull (volume);
  virStoragePoolFree (pool);
  return volume;
}

/* (nullable): NULL when there is no such volume */
static char *
dump_volume (Backend *backend, const char *path)
{
  virStorageVolPtr volume = virStorageVolLookupByPath (backend->raw, path);
  char *xml = volume != NULL ? virStorageVolGetXMLDesc (volume, 0) : NULL;
  char *copy = g_strdup (xml);

  free (xml);
  if (volume != NULL)
    virStorageVolFree (volume);
  return copy;
}

static void
set_pool_disk (Backend *backend, const char *hd_image)
{
  set_option (backend, "clone_with", "storage");
  g_free (backend->hd_image);
  backend->hd_image = g_strdup (hd_image);
  set_option (backend, "hd_image", hd_image);
  set_option (backend, "base_image", POOL_BASE);
  set_xml (backend);
}

/* V3, C13: by libvirt itself, and in the row; its driver keeps what the volume lies over to itself. */
static void
test_pool_clone (Fixture *f, gconstpointer data)
{
  virStorageVolPtr base = make_volume (f->backend, "base.qcow2", "qed");
  gboolean overlay = g_str_equal (data, "true");
  g_autoptr (BbInstance) instance = NULL;
  g_autofree char *made = NULL;
  g_autofree char *live = NULL;
  g_autofree char *left = NULL;
  g_autofree char *base_left = NULL;

  set_option (f->backend, "cheap_copy", data);
  set_pool_disk (f->backend, POOL_DISK);
  instance = start (f);
  g_assert_cmpstr (f->resources->pdata[0], ==, "volume:" POOL_DISK);
  made = dump_volume (f->backend, POOL_DISK);
  g_assert_nonnull (strstr (made, overlay ? "<format type='qcow2'/>" : "<format type='qed'/>"));
  live = dump (f->backend, "bot1");
  g_assert_nonnull (strstr (live, overlay ? "type='qcow2'" : "type='qed'"));
  stop (f, instance);
  left = dump_volume (f->backend, POOL_DISK);
  g_assert_null (left);
  base_left = dump_volume (f->backend, POOL_BASE);
  g_assert_nonnull (base_left);
  virStorageVolDelete (base, 0);
  virStorageVolFree (base);
}

/* V5 */
static void
test_pool_base_missing (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  set_pool_disk (f->backend, POOL_DISK);
  g_assert_null (bb_latent_suite_start (f->slave, f->request, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_true (g_str_has_prefix (error->message, "slave bot1: libvirt: base_image \"" POOL_BASE
                                                   "\" is in no storage pool of the hypervisor; set base_format: "));
}

static void
test_pool_missing (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  virStorageVolPtr base = make_volume (f->backend, "base.qcow2", "qcow2");

  set_pool_disk (f->backend, "/no pool/bot1.qcow2");
  assert_start_fails (f, BB_ERROR_PERMANENT,
                      "slave bot1: libvirt: no active storage pool of the hypervisor is the folder \"/no pool\"; make one "
                      "with: virsh pool-create-as NAME dir --target \"/no pool\"");
  /* Or the row would stay open until there is a pool in which nothing is found. */
  g_assert_cmpuint (f->resources->len, ==, 0);
  virStorageVolDelete (base, 0);
  virStorageVolFree (base);
}

/* V9: an error that says so, and then another attempt. */
static void
test_unreachable (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *uri = g_strdup_printf ("qemu+unix:///system?socket=%s/none", f->dir);
  g_autofree char *prefix = g_strdup_printf ("slave bot1: libvirt: libvirt: %s can't be reached: ", uri);

  set_option (f->backend, "connection", uri);
  g_object_set (f->slave, "config", NULL, NULL);
  g_object_set (f->slave, "config", f->backend->config, NULL);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (bb_latent_suite_start (f->slave, f->request, &error));
      g_assert_error (error, BB_ERROR, BB_ERROR_QUOTA);
      g_assert_true (g_str_has_prefix (error->message, prefix));
    }
  set_option (f->backend, "connection", URI);
  g_object_set (f->slave, "config", NULL, NULL);
  g_object_set (f->slave, "config", f->backend->config, NULL);
}

/* V13, V11 */
typedef struct
{
  GMutex mutex;
  GCond cond;
  gboolean go;
} Gate;

static gboolean
hang_thread (virConnectPtr connection, gpointer data, GError **error)
{
  Gate *gate = data;

  g_mutex_lock (&gate->mutex);
  while (!gate->go)
    g_cond_wait (&gate->cond, &gate->mutex);
  g_mutex_unlock (&gate->mutex);
  return TRUE;
}

static gboolean
quick_thread (virConnectPtr connection, gpointer data, GError **error)
{
  return TRUE;
}

static void
test_hang (void)
{
  g_autoptr (BbLibvirtConnection) connection = bb_libvirt_connection_get (URI);
  g_autoptr (BbLibvirtConnection) same = bb_libvirt_connection_get (URI);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) hung = NULL;
  g_autoptr (GAsyncResult) cancelled = NULL;
  g_autoptr (GAsyncResult) quick = NULL;
  g_autoptr (GAsyncResult) elsewhere = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *dir = bb_test_make_dir ();
  g_autofree char *node = bb_test_write_file (dir, "node.xml", 0600, "<node/>");
  g_autofree char *other_uri = g_strconcat ("test://", node, NULL);
  g_autoptr (BbLibvirtConnection) other = bb_libvirt_connection_get (other_uri);
  GLogLevelFlags fatal = g_log_set_always_fatal (G_LOG_FATAL_MASK); /* the warning is meant to come */
  static Gate gate;

  g_assert_true (connection == same);
  bb_libvirt_connection_call_async (connection, hang_thread, &gate, NULL, 1, NULL, bb_test_store_result, &hung);
  bb_libvirt_connection_call_async (connection, quick_thread, &gate, NULL, 60, cancellable, bb_test_store_result,
                                    &cancelled);
  bb_libvirt_connection_call_async (connection, quick_thread, &gate, NULL, 60, NULL, bb_test_store_result, &quick);
  bb_libvirt_connection_call_async (other, quick_thread, &gate, NULL, 60, NULL, bb_test_store_result, &elsewhere);
  bb_test_run_until_result (&elsewhere);
  g_assert_nonnull (bb_libvirt_connection_call_finish (other, elsewhere, &error));
  g_cancellable_cancel (cancellable);
  bb_test_run_until_result (&cancelled);
  g_assert_null (bb_libvirt_connection_call_finish (connection, cancelled, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_null (hung);
  bb_test_run_until_result (&hung);
  g_assert_null (bb_libvirt_connection_call_finish (connection, hung, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_TIMEOUT);
  g_assert_cmpstr (error->message, ==, "libvirt: " URI " does not answer");
  g_clear_error (&error);
  /* It has a turn although the one before it has not ended. */
  bb_test_run_until_result (&quick);
  g_assert_nonnull (bb_libvirt_connection_call_finish (connection, quick, &error));
  g_mutex_lock (&gate.mutex);
  gate.go = TRUE;
  g_cond_broadcast (&gate.cond);
  g_mutex_unlock (&gate.mutex);
  g_log_set_always_fatal (fatal);
  bb_test_remove_dir (dir);
}

/* A minute is a quarter of a second. */
static gpointer
hasty_start (gint64 delay_us, void (*func) (gpointer data), gpointer data, gpointer user_data)
{
  return GUINT_TO_POINTER (g_timeout_add_once ((guint) (delay_us / 1000 / 240), func, data));
}

static void
hasty_stop (gpointer timer, gpointer user_data)
{
  g_source_remove (GPOINTER_TO_UINT (timer));
}

static gint64
hasty_now_us (gpointer user_data)
{
  return g_get_monotonic_time () * 240;
}

static const BbDelayTimers hasty_timers = { hasty_start, hasty_stop, hasty_now_us };

static void
call_silent (BbLibvirtConnection *connection)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  bb_libvirt_connection_call_async (connection, quick_thread, connection, NULL, 120, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_null (bb_libvirt_connection_call_finish (connection, result, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_TIMEOUT);
  g_assert_true (g_str_has_suffix (error->message, " does not answer"));
}

/* It accepts, and lets nobody in. */
static guint
accept_all (GSocket *listener, GPtrArray *accepted)
{
  GSocket *socket;

  while ((socket = g_socket_accept (listener, NULL, NULL)) != NULL)
    g_ptr_array_add (accepted, socket);
  return accepted->len;
}

static void
test_silent (void)
{
  g_autofree char *dir = bb_test_make_dir ();
  g_autofree char *path = g_build_filename (dir, "socket", NULL);
  g_autofree char *uri = g_strdup_printf ("qemu+unix:///system?socket=%s", path);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GSocket) listener = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);
  g_autoptr (GPtrArray) accepted = g_ptr_array_new_with_free_func (g_object_unref);
  BbLibvirtConnection *connection = bb_libvirt_connection_get (uri);

  g_assert_true (g_socket_bind (listener, address, TRUE, NULL));
  g_assert_true (g_socket_listen (listener, NULL));
  g_socket_set_blocking (listener, FALSE);
  bb_delay_set_timers (&hasty_timers, NULL);
  /* Each call makes an attempt of its own, until as many as may be are in the air. */
  for (guint i = 0; i < 6; i++)
    {
      call_silent (connection);
      g_assert_cmpuint (accept_all (listener, accepted), ==, MIN (i + 1, 4));
    }
  /* They end, and there is room for more. */
  g_ptr_array_set_size (accepted, 0);
  bb_delay_set_timers (NULL, NULL);
  g_socket_close (listener, NULL);
  {
    g_autoptr (GError) error = NULL;
    g_autoptr (GAsyncResult) result = NULL;

    do
      {
        g_clear_error (&error);
        g_clear_object (&result);
        bb_libvirt_connection_call_async (connection, quick_thread, connection, NULL, 0.2, NULL, bb_test_store_result,
                                          &result);
        bb_test_run_until_result (&result);
        g_assert_null (bb_libvirt_connection_call_finish (connection, result, &error));
      }
    while (g_error_matches (error, BB_ERROR, BB_ERROR_TIMEOUT));
    g_assert_error (error, BB_ERROR, BB_ERROR_QUOTA);
    g_assert_nonnull (strstr (error->message, "can't be reached"));
  }
  g_object_unref (connection);
  bb_test_remove_dir (dir);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*func) (Fixture *f, gconstpointer data);
    gconstpointer data;
  } tests[] = {
    { "/libvirt/start/V1-not-defined", test_not_defined, NULL },
    { "/libvirt/start/V14-metadata", test_metadata, NULL },
    { "/libvirt/start/V14-metadata/masterFQDN", test_metadata, "master.example" },
    { "/libvirt/start/V2-transient", test_transient, NULL },
    { "/libvirt/start/V2-xml-and-defined", test_xml_and_defined, NULL },
    { "/libvirt/start/V7-C4-runs-already", test_runs_already, NULL },
    { "/libvirt/start/V7-started-before", test_started_before, NULL },
    { "/libvirt/start/V7-left-over", test_left_over, NULL },
    { "/libvirt/start/C4-similar-name", test_similar_name, NULL },
    { "/libvirt/start/A10-fwcfg", test_fwcfg, NULL },
    { "/libvirt/start/A10-nocloud", test_nocloud, "" },
    { "/libvirt/start/nocloud/directory", test_nocloud, "hand_over_directory" },
    { "/libvirt/start/nocloud/group", test_nocloud, "hand_over_group" },
    { "/libvirt/start/nocloud/user-data", test_nocloud, "user_data" },
    { "/libvirt/start/nocloud/user-data-file", test_nocloud, "user_data_file" },
    { "/libvirt/start/interpolated", test_interpolated, NULL },
    { "/libvirt/start/interpolated-file", test_interpolated, "xml_file" },
    { "/libvirt/start/bad-xml", test_bad_xml, NULL },
    { "/libvirt/start/V9-unreachable", test_unreachable, NULL },
    { "/libvirt/image/V3-V4-C13-overlay", test_overlay, NULL },
    { "/libvirt/image/V5-no-room", test_no_room, NULL },
    { "/libvirt/image/V5-base-format", test_base_format, NULL },
    { "/libvirt/image/V3-full-copy", test_full_copy, NULL },
    { "/libvirt/image/as-it-is", test_image_as_it_is, NULL },
    { "/libvirt/image/V5-copy-fails", test_copy_fails, NULL },
    { "/libvirt/image/V5-base-missing", test_base_missing, NULL },
    { "/libvirt/image/base-is-disk", test_base_is_disk, NULL },
    { "/libvirt/image/V6-other-disk", test_other_disk, NULL },
    { "/libvirt/pool/V3-C13-overlay", test_pool_clone, "true" },
    { "/libvirt/pool/V3-full-copy", test_pool_clone, "false" },
    { "/libvirt/pool/V5-base-missing", test_pool_base_missing, NULL },
    { "/libvirt/pool/missing", test_pool_missing, NULL },
    { "/libvirt/event/V12-destroyed", test_destroyed, NULL },
    { "/libvirt/stop/V8-destroyed", test_stop, &stop_cases[0] },
    { "/libvirt/stop/V8-graceful", test_stop, &stop_cases[1] },
    { "/libvirt/stop/V8-refused", test_stop, &stop_cases[2] },
    { "/libvirt/stop/V8-fast", test_stop, &stop_cases[3] },
  };

  g_test_init (&argc, &argv, NULL);
  bb_latent_suite_add (&suite_xml);
  bb_latent_suite_add (&suite_defined);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, tests[i].data, fixture_set_up, tests[i].func, fixture_tear_down);
  g_test_add_func ("/libvirt/connection/V11-V13-hang", test_hang);
  g_test_add_func ("/libvirt/connection/V11-silent", test_silent);
  return g_test_run ();
}
