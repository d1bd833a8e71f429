/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-config.h"

#include "bb-libvirt-document.h"

#include <glib/gi18n.h>
#include <string.h>

#define DEFAULT_URI "qemu:///system"
#define OFFSET(MEMBER) G_STRUCT_OFFSET (BbLibvirtConfig, MEMBER)

static const char *const clones[] = { "auto", "qemu-img", "storage", NULL };

const BbOption bb_libvirt_options[] = {
  { "connection", BB_OPTION_STRING, OFFSET (connection), NULL, 0, 0, BB_OPTION_NO_FLAGS, NULL,
    N_("The hypervisor, as a libvirt URI; slaves with the same text share one connection. Default: qemu:///system.") },
  { "uri", BB_OPTION_STRING, OFFSET (uri), NULL, 0, 0, BB_OPTION_NO_FLAGS, NULL,
    N_("Another name of connection, which Buildbot uses since 3.2.") },
  { "hd_image", BB_OPTION_PATH, OFFSET (hd_image), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("The disk image that the domain uses. With base_image it is made at each start and removed after each stop.") },
  { "base_image", BB_OPTION_PATH, OFFSET (base_image), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("The image that hd_image is made from, and that is never written.") },
  { "base_format", BB_OPTION_STRING, OFFSET (base_format), NULL, 0, 0, BB_OPTION_NO_FLAGS, NULL,
    N_("The format of base_image as qemu-img names it, such as qcow2 or raw. Default: by its first bytes, or as its "
       "storage pool says.") },
  { "cheap_copy", BB_OPTION_BOOLEAN, OFFSET (cheap_copy), "true", 0, 0, BB_OPTION_NO_FLAGS, NULL,
    N_("Whether hd_image becomes a qcow2 overlay over base_image rather than a full copy.") },
  { "clone_with", BB_OPTION_ENUM, OFFSET (clone_with), "auto", 0, 0, BB_OPTION_NO_FLAGS, clones,
    N_("What makes hd_image: qemu-img of this machine, or libvirt's storage pools. auto: the former for hypervisors of "
       "this machine.") },
  { "xml", BB_OPTION_STRING, OFFSET (xml), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("The definition of a domain that exists only while it runs. Without it the domain that is defined under the "
       "slave's name is started.") },
  { "xml_file", BB_OPTION_PATH, OFFSET (xml_file), NULL, 0, 0, BB_OPTION_NO_FLAGS, NULL,
    N_("A file whose contents are used as xml.") },
  { "graceful_shutdown", BB_OPTION_BOOLEAN, OFFSET (graceful_shutdown), "false", 0, 0, BB_OPTION_LIVE, NULL,
    N_("Whether the guest is asked to shut down before its domain is destroyed.") },
  { "shutdown_timeout", BB_OPTION_SECONDS, OFFSET (shutdown_timeout), "60", 0, 3600, BB_OPTION_LIVE, NULL,
    N_("How long the guest may take to shut down before its domain is destroyed.") },
  { "masterFQDN", BB_OPTION_STRING, OFFSET (master_fqdn), NULL, 0, 0, BB_OPTION_NO_FLAGS, NULL,
    N_("The address of this host as guests see it. Default: the listener's, or the host's full name.") },
  { "hand_over", BB_OPTION_STRINGS, OFFSET (hand_over), NULL, 0, 0, BB_OPTION_NO_FLAGS, NULL,
    N_("How the guest learns its name, this run's password and the host's address: fwcfg (a file that QEMU shows to the "
       "guest), nocloud (a disk for cloud-init), metadata (Buildbot's element in the domain's metadata), or none. "
       "fwcfg-inline, smbios and cmdline show the password to everyone who may run ps or virsh dumpxml. Default: "
       "metadata without xml, otherwise none.") },
  { "hand_over_directory", BB_OPTION_PATH, OFFSET (hand_over_directory), NULL, 0, 0, BB_OPTION_NO_FLAGS, NULL,
    N_("Where the files of hand_over are put; QEMU must be able to enter it. Default: the folder of hd_image, else "
       "bbhost's own.") },
  { "hand_over_group", BB_OPTION_STRING, OFFSET (hand_over_group), NULL, 0, 0, BB_OPTION_NO_FLAGS, NULL,
    N_("A group that may read the files of hand_over, for a QEMU that runs as another user and is in that group.") },
  { "user_data", BB_OPTION_STRING, OFFSET (user_data), NULL, 0, 0, BB_OPTION_INTERPOLATED | BB_OPTION_SECRET, NULL,
    N_("What cloud-init is given by hand_over=nocloud. Default: it writes name, password and address to "
       "/etc/bbhost/slave.") },
  { "user_data_file", BB_OPTION_PATH, OFFSET (user_data_file), NULL, 0, 0, BB_OPTION_NO_FLAGS, NULL,
    N_("A file whose contents are used as user_data.") },
  { 0 }
};

static const struct
{
  const char *word;
  BbLibvirtHandOver way;
} ways[] = {
  { "none", BB_LIBVIRT_HAND_OVER_NOTHING },
  { "fwcfg", BB_LIBVIRT_HAND_OVER_FWCFG },
  { "nocloud", BB_LIBVIRT_HAND_OVER_NOCLOUD },
  { "metadata", BB_LIBVIRT_HAND_OVER_METADATA },
  { "fwcfg-inline", BB_LIBVIRT_HAND_OVER_FWCFG_INLINE },
  { "smbios", BB_LIBVIRT_HAND_OVER_SMBIOS },
  { "cmdline", BB_LIBVIRT_HAND_OVER_CMDLINE },
};

G_GNUC_PRINTF (2, 3) static void
complain (GPtrArray *errors, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_ptr_array_add (errors, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

const char *
bb_libvirt_config_get_uri (const BbLibvirtConfig *self)
{
  if (self->connection != NULL)
    return self->connection;
  return self->uri != NULL ? self->uri : DEFAULT_URI;
}

gboolean
bb_libvirt_config_has_xml (const BbLibvirtConfig *self)
{
  return self->xml != NULL || self->xml_file != NULL;
}

static gboolean
find_way (const char *word, BbLibvirtHandOver *way)
{
  for (gsize i = 0; i < G_N_ELEMENTS (ways); i++)
    if (g_str_equal (ways[i].word, word))
      {
        *way = ways[i].way;
        return TRUE;
      }
  return FALSE;
}

BbLibvirtHandOver
bb_libvirt_config_get_hand_over (const BbLibvirtConfig *self)
{
  BbLibvirtHandOver all = BB_LIBVIRT_HAND_OVER_NOTHING;

  if (self->hand_over == NULL)
    return bb_libvirt_config_has_xml (self) ? BB_LIBVIRT_HAND_OVER_NOTHING : BB_LIBVIRT_HAND_OVER_METADATA;
  for (char **word = self->hand_over; *word != NULL; word++)
    {
      BbLibvirtHandOver way;

      if (find_way (*word, &way))
        all |= way;
    }
  return all;
}

gboolean
bb_libvirt_uri_is_local (const char *uri)
{
  const char *rest = strstr (uri, "://");

  return rest != NULL && (rest[3] == '/' || rest[3] == '\0' || rest[3] == '?');
}

gboolean
bb_libvirt_config_clones_locally (const BbLibvirtConfig *self)
{
  if (self->clone_with == BB_LIBVIRT_CLONE_AUTO)
    return bb_libvirt_uri_is_local (bb_libvirt_config_get_uri (self));
  return self->clone_with == BB_LIBVIRT_CLONE_QEMU_IMG;
}

static void
validate_uri (const BbLibvirtConfig *config, GPtrArray *errors)
{
  const char *key = config->connection != NULL || config->uri == NULL ? "connection" : "uri";
  const char *text = bb_libvirt_config_get_uri (config);
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED, NULL);

  if (config->connection != NULL && config->uri != NULL && !g_str_equal (config->connection, config->uri))
    complain (errors, "uri: not together with connection, which is another one; keep the one that is meant");
  if (uri == NULL || strstr (text, "://") == NULL)
    complain (errors, "%s: \"%s\" is not a libvirt URI like qemu:///system or qemu+ssh://root@host/system", key, text);
  else if (g_str_equal (g_uri_get_scheme (uri), "system") || g_str_equal (g_uri_get_scheme (uri), "session"))
    complain (errors, "%s: \"%s\" names no hypervisor; write qemu:///%s", key, text, g_uri_get_scheme (uri));
  else if (g_uri_get_password (uri) != NULL)
    complain (errors, "%s: a password has no place in it; see libvirt's auth.conf", key);
}

static void
validate_disks (const BbLibvirtConfig *config, GPtrArray *errors)
{
  static const char *const formats[] = { "qcow2", "raw", "qed", "vmdk", "vdi", "vhdx", "vpc", "qcow", NULL };

  if (config->base_image != NULL && config->hd_image == NULL)
    complain (errors, "base_image: needs hd_image, the file that is made from it");
  if (config->base_image != NULL && config->hd_image != NULL)
    {
      g_autofree char *base = g_canonicalize_filename (config->base_image, "/");
      g_autofree char *hd = g_canonicalize_filename (config->hd_image, "/");

      if (g_str_equal (base, hd))
        complain (errors, "hd_image: is base_image itself, which must never be written; name another file");
    }
  if (config->base_format != NULL && !g_strv_contains (formats, config->base_format))
    complain (errors, "base_format: \"%s\" is not a format of disk images, like qcow2 or raw", config->base_format);
}

static void
validate_xml (const BbLibvirtConfig *config, GPtrArray *errors)
{
  const char *key = config->xml != NULL ? "xml" : "xml_file";
  g_autoptr (BbLibvirtDocument) document = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (!bb_libvirt_config_has_xml (config))
    return;
  if (config->xml != NULL && config->xml_file != NULL)
    complain (errors, "xml: not together with xml_file; keep the one that is meant");
  if (config->xml == NULL && !g_file_get_contents (config->xml_file, &text, NULL, &error))
    {
      complain (errors, "xml_file: %s", error->message);
      return;
    }
  document = bb_libvirt_document_new (config->xml != NULL ? config->xml : text, &error);
  if (document == NULL)
    complain (errors, "%s: %s", key, error->message);
  else if (!bb_libvirt_document_check_templates (document, &error))
    complain (errors, "%s: %s", key, error->message);
  else if (config->base_image != NULL && config->hd_image != NULL && !bb_libvirt_document_has_templates (document)
           && strstr (config->hd_image, "%(") == NULL
           && !bb_libvirt_document_use_disk (document, config->hd_image, NULL, NULL, 0, &error))
    complain (errors, "%s: %s", key, error->message);
}

static void
validate_hand_over (const BbLibvirtConfig *config, GPtrArray *errors)
{
  BbLibvirtHandOver all = bb_libvirt_config_get_hand_over (config);
  gboolean local = bb_libvirt_uri_is_local (bb_libvirt_config_get_uri (config));

  for (char **word = config->hand_over; word != NULL && *word != NULL; word++)
    {
      BbLibvirtHandOver way;

      if (!find_way (*word, &way))
        complain (errors, "hand_over: \"%s\" is not one of fwcfg, nocloud, metadata, none, fwcfg-inline, smbios, cmdline",
                  *word);
      else if (way == BB_LIBVIRT_HAND_OVER_NOTHING && g_strv_length (config->hand_over) > 1)
        complain (errors, "hand_over: none stands alone");
    }
  if ((all & BB_LIBVIRT_HAND_OVER_FWCFG) && !local)
    complain (errors, "hand_over: fwcfg needs a file on the hypervisor's machine, which is another one; use nocloud");
  if ((all & BB_LIBVIRT_HAND_OVER_FWCFG) && config->hand_over_directory != NULL
      && strpbrk (config->hand_over_directory, "&<>'\",") != NULL)
    complain (errors, "hand_over_directory: for fwcfg its name must be without & < > ' \" and commas");
  if ((all & BB_LIBVIRT_HAND_OVER_NOCLOUD) && !local && config->hd_image == NULL
      && config->hand_over_directory == NULL)
    complain (errors, "hand_over: nocloud needs hd_image or hand_over_directory, which tell the storage pool to use");
  if ((config->user_data != NULL || config->user_data_file != NULL) && !(all & BB_LIBVIRT_HAND_OVER_NOCLOUD))
    complain (errors, "%s: needs hand_over=nocloud", config->user_data != NULL ? "user_data" : "user_data_file");
  if (config->user_data != NULL && config->user_data_file != NULL)
    complain (errors, "user_data: not together with user_data_file; keep the one that is meant");
}

void
bb_libvirt_config_validate (gconstpointer data, GPtrArray *errors)
{
  const BbLibvirtConfig *config = data;

  validate_uri (config, errors);
  validate_disks (config, errors);
  validate_xml (config, errors);
  validate_hand_over (config, errors);
}
