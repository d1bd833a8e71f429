/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bb-error.h"
#include "bb-libvirt-config.h"
#include "bb-libvirt-document.h"
#include "bb-libvirt-files.h"
#include "bb-option-struct.h"
#include "bb-test.h"

/* What needs no hypervisor: definitions, options, files. */

#define DEVICES(DISK)                                                                                                  \
  "<domain type='qemu'><name>x</name><devices>" DISK "<serial type='file'><source path='/c.log'/></serial></devices>"  \
  "</domain>"
#define FILE_DISK(PATH)                                                                                                \
  "<disk type='file'><driver name='qemu' type='raw'/><source file='" PATH "'/><target dev='vda'/></disk>"

static BbLibvirtDocument *
new_document (const char *xml)
{
  g_autoptr (GError) error = NULL;
  BbLibvirtDocument *document = bb_libvirt_document_new (xml, &error);

  g_assert_no_error (error);
  return document;
}

static void
assert_has (BbLibvirtDocument *document, const char *part)
{
  g_autofree char *text = bb_libvirt_document_to_string (document);

  if (strstr (text, part) == NULL)
    g_error ("\"%s\" is not in %s", part, text);
}

static void
assert_refused (const char *xml, const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (bb_libvirt_document_new (xml, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_cmpstr (error->message, ==, message);
}

static void
test_refused (void)
{
  assert_refused ("<network/>", "is not the definition of a domain: its root is not <domain>");
  assert_refused ("<!DOCTYPE domain [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><domain>&e;</domain>",
                  "is not the definition of a domain: its root is not <domain>");
  assert_refused ("<domain>\n<name>x</domain>",
                  "is not well-formed XML (line 2: Premature end of data in tag domain line 1)");
}

static char *
fill_in (const char *text, gpointer user_data, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (text, "%(prop:x)s", -1);

  return g_strjoinv (user_data, parts);
}

/* A build's property can't become a disk. */
static void
test_fill_in (void)
{
  g_autoptr (BbLibvirtDocument) document = new_document (
    "<domain><title>%(prop:x)s</title><devices><a file='/%(prop:x)s'/></devices></domain>");
  g_autoptr (GError) error = NULL;

  g_assert_true (bb_libvirt_document_has_templates (document));
  g_assert_true (bb_libvirt_document_fill_in (document, fill_in, (gpointer) "</title><disk a='b' c=\"&amp;\"/>", &error));
  g_assert_no_error (error);
  assert_has (document, "<title>&lt;/title&gt;&lt;disk a='b' c=\"&amp;amp;\"/&gt;</title>");
  assert_has (document, "<a file=\"/&lt;/title&gt;&lt;disk a='b' c=&quot;&amp;amp;&quot;/&gt;\"/>");
  g_assert_false (bb_libvirt_document_has_templates (document));
}

/* V6 */
static void
test_disk_missing (void)
{
  g_autoptr (BbLibvirtDocument) document = new_document (DEVICES (FILE_DISK ("/srv/other.img")));
  g_autoptr (GError) error = NULL;

  g_assert_false (bb_libvirt_document_use_disk (document, "/srv/bot1.img", "qcow2", NULL, 0, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_cmpstr (error->message, ==,
                   "no disk of the domain is hd_image, \"/srv/bot1.img\", so that builds would not run on a copy of "
                   "base_image; its disks are \"/srv/other.img\"");
}

/* V4, and the driver is told what the file is. */
static void
test_disk_format (void)
{
  const char *const volumes[] = { "pool", "it's", "/srv/it's" };
  g_autoptr (BbLibvirtDocument) document
    = new_document (DEVICES (FILE_DISK ("/srv/a b/&quot;$(x).img")) );
  g_autoptr (BbLibvirtDocument) volume = new_document (
    DEVICES ("<disk type='volume'><source pool='pool' volume=\"it's\"/><target dev='vda'/></disk>"));
  g_auto (GStrv) names = bb_libvirt_document_list_volumes (volume);
  g_autoptr (GError) error = NULL;

  g_assert_true (bb_libvirt_document_use_disk (document, "/srv/./a b/\"$(x).img", "qcow2", NULL, 0, &error));
  g_assert_no_error (error);
  assert_has (document, "<driver name=\"qemu\" type=\"qcow2\"/>");
  g_assert_cmpuint (g_strv_length (names), ==, 2);
  g_assert_true (bb_libvirt_document_use_disk (volume, "/srv/it's", "raw", volumes, 1, &error));
  g_assert_no_error (error);
  assert_has (volume, "<driver name=\"qemu\" type=\"raw\"/>");
}

/* The folder may be reached by a link. */
static void
test_disk_link (void)
{
  g_autofree char *dir = bb_test_make_dir ();
  g_autofree char *real = g_build_filename (dir, "real", NULL);
  g_autofree char *alias = g_build_filename (dir, "alias", NULL);
  g_autofree char *by_alias = g_build_filename (alias, "x.img", NULL);
  g_autofree char *xml = g_strdup_printf (DEVICES (FILE_DISK ("%s/x.img")), real);
  g_autoptr (BbLibvirtDocument) document = new_document (xml);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir (real, 0700), ==, 0);
  g_assert_cmpint (symlink ("real", alias), ==, 0);
  g_assert_true (bb_libvirt_document_use_disk (document, by_alias, NULL, NULL, 0, &error));
  g_assert_no_error (error);
  bb_test_remove_dir (dir);
}

static void
test_transient (void)
{
  g_autoptr (BbLibvirtDocument) document = new_document (
    DEVICES ("<disk><source file='/srv/base.qcow2'/><transient shareBacking='yes'/></disk>" FILE_DISK ("/x")));
  g_auto (GStrv) paths = bb_libvirt_document_list_transient (document, "bot1");
  g_autofree char *console = bb_libvirt_document_get_console (document);

  g_assert_cmpuint (g_strv_length (paths), ==, 1);
  g_assert_cmpstr (paths[0], ==, "/srv/base.qcow2.TRANSIENT-bot1");
  g_assert_cmpstr (console, ==, "/c.log");
}

static void
test_mark (void)
{
  g_autoptr (BbLibvirtDocument) document = new_document (
    "<domain><metadata><b:instance xmlns:b='" BB_LIBVIRT_NAMESPACE "' token='old'/><o:x xmlns:o='urn:o'/></metadata>"
    "</domain>");
  const char *const resources[] = { "file:/srv/a<b>.img", NULL };
  const BbLibvirtMark mark = { (char *) "h\"1", (char *) "s1", (char *) "t1", (char *) "bot<1>", (char **) resources };
  g_autofree char *text = NULL;
  g_autoptr (BbLibvirtMark) read = NULL;
  g_auto (GStrv) parts = NULL;

  bb_libvirt_document_set_mark (document, &mark);
  text = bb_libvirt_document_to_string (document);
  g_assert_null (strstr (text, "old"));
  g_assert_nonnull (strstr (text, "<o:x xmlns:o=\"urn:o\"/>"));
  parts = g_strsplit (strstr (text, "<bbhost:instance"), "</metadata>", 2);
  read = bb_libvirt_mark_parse (parts[0]);
  g_assert_cmpstr (read->host, ==, "h\"1");
  g_assert_cmpstr (read->store, ==, "s1");
  g_assert_cmpstr (read->token, ==, "t1");
  g_assert_cmpstr (read->slave, ==, "bot<1>");
  g_assert_cmpstr (read->resources[0], ==, "file:/srv/a<b>.img");
  g_assert_null (bb_libvirt_mark_parse ("<other/>"));
  g_assert_null (bb_libvirt_mark_parse ("<instance"));
}

static const BbLibvirtIdentity identity = { "bot1", "s<cret", "host.example", 9989, "host.example:9989" };

static void
test_hand_over (void)
{
  g_autoptr (BbLibvirtDocument) file = new_document (DEVICES (FILE_DISK ("/a")));
  g_autoptr (BbLibvirtDocument) open = new_document ("<domain><os><cmdline>quiet</cmdline></os></domain>");
  g_autofree char *text = NULL;

  bb_libvirt_document_add_fwcfg (file, &identity, "/srv/secret");
  bb_libvirt_document_add_seed (file, "/srv/seed.iso");
  text = bb_libvirt_document_to_string (file);
  g_assert_null (strstr (text, "cret<"));
  g_assert_null (strstr (text, "s&lt;cret"));
  assert_has (file, "<entry name=\"opt/org.bbhost/password\" file=\"/srv/secret\"/>");
  assert_has (file, "<entry name=\"opt/org.bbhost/master\">host.example:9989</entry>");
  assert_has (file, "<source file=\"/srv/seed.iso\"/><target dev=\"vdb\" bus=\"virtio\"/><readonly/>");
  bb_libvirt_document_add_cmdline (open, &identity);
  bb_libvirt_document_add_smbios (open, &identity);
  bb_libvirt_document_add_fwcfg (open, &identity, NULL);
  bb_libvirt_document_add_fwcfg (open, &identity, NULL);
  bb_libvirt_document_set_auth (open, &identity);
  assert_has (open, "<cmdline>quiet bb.master=host.example:9989 bb.name=bot1 bb.password=s&lt;cret</cmdline>");
  assert_has (open, "<entry>bbhost.password=s&lt;cret</entry>");
  assert_has (open, "<smbios mode=\"sysinfo\"/>");
  assert_has (open, "<buildbot:auth xmlns:buildbot=\"http://buildbot.net/\" username=\"bot1\" password=\"s&lt;cret\" "
                    "master=\"host.example\" port=\"9989\"/>");
}

/* Options. */

typedef struct
{
  const char *options; /* key=value, separated by | */
  const char *error;   /* NULL: all is well */
} ConfigCase;

static const ConfigCase config_cases[] = {
  { "", NULL },
  { "connection=test:///default", NULL },
  { "uri=qemu+ssh://root@vmhost/system", NULL },
  { "connection=system:///", "connection: \"system:///\" names no hypervisor; write qemu:///system" },
  { "uri=localhost", "uri: \"localhost\" is not a libvirt URI like qemu:///system or qemu+ssh://root@host/system" },
  { "uri=qemu+tcp://u:p@h/system", "uri: a password has no place in it; see libvirt's auth.conf" },
  { "connection=qemu:///system|uri=qemu:///session",
    "uri: not together with connection, which is another one; keep the one that is meant" },
  { "base_image=/a", "base_image: needs hd_image, the file that is made from it" },
  { "base_image=/a|hd_image=/b/../a", "hd_image: is base_image itself, which must never be written; name another file" },
  { "hd_image=/a|base_image=/b|base_format=iso",
    "base_format: \"iso\" is not a format of disk images, like qcow2 or raw" },
  { "xml=<domain/>|xml_file=/nonexistent", "xml: not together with xml_file; keep the one that is meant" },
  { "xml_file=/nonexistent",
    "xml_file: Failed to open file \xe2\x80\x9c/nonexistent\xe2\x80\x9d: No such file or directory" },
  { "xml=<dom", "xml: is not well-formed XML (line 1: Couldn't find end of Start Tag dom line 1)" },
  { "xml=<domain/>|hd_image=/a|base_image=/b",
    "xml: no disk of the domain is hd_image, \"/a\", so that builds would not run on a copy of base_image; its disks are "
    "none" },
  { "xml=<domain><x y='%(prop:z)s'/></domain>|hd_image=/a|base_image=/b", NULL },
  { "hand_over=fwcfg;nocloud", NULL },
  { "hand_over=fw_cfg",
    "hand_over: \"fw_cfg\" is not one of fwcfg, nocloud, metadata, none, fwcfg-inline, smbios, cmdline" },
  { "hand_over=none;fwcfg", "hand_over: none stands alone" },
  { "uri=qemu+ssh://h/system|hand_over=fwcfg",
    "hand_over: fwcfg needs a file on the hypervisor's machine, which is another one; use nocloud" },
  { "uri=qemu+ssh://h/system|hand_over=nocloud",
    "hand_over: nocloud needs hd_image or hand_over_directory, which tell the storage pool to use" },
  { "user_data=x", "user_data: needs hand_over=nocloud" },
};

static void
test_config (gconstpointer data)
{
  const ConfigCase *c = data;
  g_auto (GStrv) pairs = g_strsplit (c->options, "|", -1);
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (g_free);
  gpointer config = bb_option_struct_new_default (bb_libvirt_options);
  g_autoptr (GError) error = NULL;

  for (char **pair = pairs; *pair != NULL; pair++)
    {
      char *value = strchr (*pair, '=');

      *value++ = '\0';
      bb_option_parse (bb_option_find (bb_libvirt_options, *pair), config, value, NULL, &error);
      g_assert_no_error (error);
    }
  bb_libvirt_config_validate (config, errors);
  if (c->error == NULL)
    g_assert_cmpuint (errors->len, ==, 0);
  else
    {
      g_assert_cmpuint (errors->len, >=, 1);
      g_assert_cmpstr (errors->pdata[0], ==, c->error);
    }
  bb_option_struct_free (bb_libvirt_options, config);
}

static void
test_local_uris (void)
{
  g_assert_true (bb_libvirt_uri_is_local ("qemu:///system"));
  g_assert_true (bb_libvirt_uri_is_local ("qemu+unix:///system?socket=/run/x"));
  g_assert_true (bb_libvirt_uri_is_local ("test:///default"));
  g_assert_false (bb_libvirt_uri_is_local ("qemu+ssh://root@host/system"));
  g_assert_false (bb_libvirt_uri_is_local ("qemu://host/system"));
}

static void
set_option (gpointer config, const char *key, const char *value)
{
  g_autoptr (GError) error = NULL;

  bb_option_parse (bb_option_find (bb_libvirt_options, key), config, value, NULL, &error);
  g_assert_no_error (error);
}

static void
test_defaults (void)
{
  gpointer config = bb_option_struct_new_default (bb_libvirt_options);

  g_assert_cmpstr (bb_libvirt_config_get_uri (config), ==, "qemu:///system");
  g_assert_true (bb_libvirt_config_clones_locally (config));
  g_assert_cmpint (bb_libvirt_config_get_hand_over (config), ==, BB_LIBVIRT_HAND_OVER_METADATA);
  set_option (config, "xml", "<domain/>");
  g_assert_cmpint (bb_libvirt_config_get_hand_over (config), ==, BB_LIBVIRT_HAND_OVER_NOTHING);
  set_option (config, "uri", "qemu+ssh://root@host/system");
  g_assert_cmpstr (bb_libvirt_config_get_uri (config), ==, "qemu+ssh://root@host/system");
  g_assert_false (bb_libvirt_config_clones_locally (config));
  set_option (config, "clone_with", "qemu-img");
  g_assert_true (bb_libvirt_config_clones_locally (config));
  bb_option_struct_free (bb_libvirt_options, config);
}

/* Files. */

static void
test_formats (void)
{
  static const struct
  {
    const char *head;
    gsize length;
    const char *format;
  } cases[] = {
    { "QFI\xfb\0\0\0\3", 8, "qcow2" }, { "KDMV", 4, "vmdk" }, { "", 0, "raw" }, { "#!/bin/sh", 9, "raw" },
  };
  g_autofree char *dir = bb_test_make_dir ();
  g_autofree char *path = g_build_filename (dir, "image", NULL);
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *format = NULL;

      g_assert_true (g_file_set_contents (path, cases[i].head, (gssize) cases[i].length, NULL));
      format = bb_libvirt_files_get_format (path, &error);
      g_assert_no_error (error);
      g_assert_cmpstr (format, ==, cases[i].format);
    }
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_null (bb_libvirt_files_get_format (path, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_PERMANENT);
  bb_test_remove_dir (dir);
}

static void
test_secret (void)
{
  g_autofree char *dir = bb_test_make_dir ();
  g_autofree char *path = g_build_filename (dir, "secret", NULL);
  g_autofree char *victim = bb_test_write_file (dir, "victim", 0644, "keep");
  g_autoptr (GBytes) contents = g_bytes_new_static ("sesame", 6);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  struct stat info;

  g_assert_cmpint (symlink (victim, path), ==, 0);
  g_assert_true (bb_libvirt_files_write_secret (path, contents, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (lstat (path, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 07777, ==, 0600);
  g_assert_true (g_file_get_contents (victim, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "keep");
  g_assert_false (bb_libvirt_files_write_secret (path, contents, "no-such-group", &error));
  g_assert_cmpstr (error->message, ==, "hand_over_group: there is no group \"no-such-group\"");
  bb_test_remove_dir (dir);
}

static void
test_seed (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) seed = bb_libvirt_files_make_seed (&identity, "token-1", NULL, &error);
  const char *data = g_bytes_get_data (seed, NULL);
  gsize size = g_bytes_get_size (seed);

  g_assert_no_error (error);
  /* The primary volume descriptor, and its label. */
  g_assert_cmpmem (data + 0x8001, 5, "CD001", 5);
  g_assert_cmpint (g_ascii_strncasecmp (data + 0x8028, "cidata ", 7), ==, 0);
  g_assert_nonnull (memmem (data, size, "instance-id: token-1\nlocal-hostname: bot1\n", 42));
  g_assert_nonnull (memmem (data, size, "    password=s<cret\n", 20));
  g_assert_nonnull (memmem (data, size, "master=host.example:9989\nname=bot1\npassword=s<cret\n", 51));
}

static void
test_tail (void)
{
  g_autofree char *dir = bb_test_make_dir ();
  g_autofree char *path = bb_test_write_file (dir, "console", 0600, "a\r\nb\n\nc\x1b[0m\nd\xff\ne\nf\n\n");
  g_autofree char *tail = bb_libvirt_files_get_tail (path);

  g_assert_cmpstr (tail, ==, "c [0m | d\xef\xbf\xbd | e | f");
  g_assert_null (bb_libvirt_files_get_tail ("/nonexistent"));
  bb_test_remove_dir (dir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/libvirt/document/refused", test_refused);
  g_test_add_func ("/libvirt/document/fill-in", test_fill_in);
  g_test_add_func ("/libvirt/document/V6-disk-missing", test_disk_missing);
  g_test_add_func ("/libvirt/document/V4-disk-format", test_disk_format);
  g_test_add_func ("/libvirt/document/V4-disk-link", test_disk_link);
  g_test_add_func ("/libvirt/document/C13-transient", test_transient);
  g_test_add_func ("/libvirt/document/C4-mark", test_mark);
  g_test_add_func ("/libvirt/document/A10-hand-over", test_hand_over);
  for (gsize i = 0; i < G_N_ELEMENTS (config_cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/libvirt/config/%" G_GSIZE_FORMAT, i);

      g_test_add_data_func (path, &config_cases[i], test_config);
    }
  g_test_add_func ("/libvirt/config/local-uris", test_local_uris);
  g_test_add_func ("/libvirt/config/defaults", test_defaults);
  g_test_add_func ("/libvirt/files/formats", test_formats);
  g_test_add_func ("/libvirt/files/A10-secret", test_secret);
  g_test_add_func ("/libvirt/files/seed", test_seed);
  g_test_add_func ("/libvirt/files/tail", test_tail);
  return g_test_run ();
}
