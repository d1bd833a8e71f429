/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-document.h"

#include <bbhost/bb-error.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

/* No network, no entities of somebody's choice, nothing on standard error. */
#define PARSE_FLAGS (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS)
#define MAX_DEFINITION (4 * 1024 * 1024)
#define MAX_LETTERS 26

struct _BbLibvirtDocument
{
  xmlDoc *doc;
  xmlNode *domain;
};

#define STRING(TEXT) ((const char *) (TEXT))
#define XML(TEXT) ((const xmlChar *) (TEXT))

static xmlDoc *
parse (const char *xml, const char *root, GError **error)
{
  gsize length = strlen (xml);
  g_autofree char *where = NULL;
  xmlParserCtxt *context;
  xmlNode *node;
  xmlDoc *doc;

  if (length > MAX_DEFINITION)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT, "is longer than any domain's definition");
      return NULL;
    }
  context = xmlNewParserCtxt ();
  doc = xmlCtxtReadMemory (context, xml, (int) length, NULL, NULL, PARSE_FLAGS);
  if (doc == NULL && context->lastError.message != NULL)
    where = g_strdup_printf (" (line %d: %s)", context->lastError.line, g_strchomp (context->lastError.message));
  xmlFreeParserCtxt (context);
  if (doc == NULL)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT, "is not well-formed XML%s", where != NULL ? where : "");
      return NULL;
    }
  node = xmlDocGetRootElement (doc);
  if (node != NULL && doc->intSubset == NULL && g_str_equal (node->name, root))
    return doc;
  g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT, "is not the definition of a domain: its root is not <%s>", root);
  xmlFreeDoc (doc);
  return NULL;
}

static xmlNode *
find_child (xmlNode *parent, const char *name)
{
  for (xmlNode *node = parent != NULL ? parent->children : NULL; node != NULL; node = node->next)
    if (node->type == XML_ELEMENT_NODE && g_str_equal (node->name, name))
      return node;
  return NULL;
}

static xmlNode *
ensure_child (xmlNode *parent, const char *name)
{
  xmlNode *node = find_child (parent, name);

  return node != NULL ? node : xmlNewChild (parent, NULL, XML (name), NULL);
}

static xmlNode *
add_text_child (xmlNode *parent, const char *name, const char *text)
{
  return xmlNewTextChild (parent, NULL, XML (name), XML (text));
}

static void
set_attribute (xmlNode *node, const char *name, const char *value)
{
  xmlSetProp (node, XML (name), XML (value));
}

static char *
get_attribute (xmlNode *node, const char *name)
{
  xmlChar *value = node != NULL ? xmlGetNoNsProp (node, XML (name)) : NULL;
  char *copy = g_strdup (STRING (value));

  xmlFree (value);
  return copy;
}

static gboolean
attribute_is (xmlNode *node, const char *name, const char *wanted)
{
  g_autofree char *value = get_attribute (node, name);

  return g_strcmp0 (value, wanted) == 0;
}

static char *
get_text (xmlNode *node)
{
  xmlChar *value = node != NULL ? xmlNodeGetContent (node) : NULL;
  char *copy = g_strdup (STRING (value));

  xmlFree (value);
  return copy;
}

static void
set_text (xmlNode *node, const char *text)
{
  xmlNodeSetContent (node, NULL);
  xmlNodeAddContent (node, XML (text));
}

BbLibvirtDocument *
bb_libvirt_document_new (const char *xml, GError **error)
{
  xmlDoc *doc = parse (xml, "domain", error);
  BbLibvirtDocument *self;

  if (doc == NULL)
    return NULL;
  self = g_new0 (BbLibvirtDocument, 1);
  self->doc = doc;
  self->domain = xmlDocGetRootElement (doc);
  return self;
}

void
bb_libvirt_document_free (BbLibvirtDocument *self)
{
  xmlFreeDoc (self->doc);
  g_free (self);
}

char *
bb_libvirt_document_to_string (BbLibvirtDocument *self)
{
  xmlChar *text = NULL;
  char *copy;
  int size;

  xmlDocDumpMemoryEnc (self->doc, &text, &size, "UTF-8");
  copy = g_strdup (STRING (text));
  xmlFree (text);
  return copy;
}

static gboolean
fill_in_node (xmlNode *node, BbLibvirtFillFunc func, gpointer user_data, GError **error)
{
  for (xmlAttr *attribute = node->type == XML_ELEMENT_NODE ? node->properties : NULL; attribute != NULL;
       attribute = attribute->next)
    {
      g_autofree char *old = get_text ((xmlNode *) attribute);
      g_autofree char *filled = strchr (old, '%') != NULL ? func (old, user_data, error) : g_strdup (old);

      if (filled == NULL)
        return FALSE;
      if (!g_str_equal (old, filled))
        xmlSetNsProp (node, attribute->ns, attribute->name, XML (filled));
    }
  for (xmlNode *child = node->children; child != NULL; child = child->next)
    {
      if (child->type == XML_ELEMENT_NODE && !fill_in_node (child, func, user_data, error))
        return FALSE;
      if ((child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE) && strchr (STRING (child->content), '%'))
        {
          g_autofree char *filled = func (STRING (child->content), user_data, error);

          if (filled == NULL)
            return FALSE;
          set_text (child, filled);
        }
    }
  return TRUE;
}

gboolean
bb_libvirt_document_fill_in (BbLibvirtDocument *self, BbLibvirtFillFunc func, gpointer user_data, GError **error)
{
  return fill_in_node (self->domain, func, user_data, error);
}

static char *
note_template (const char *text, gpointer user_data, GError **error)
{
  gboolean *found = user_data;

  *found = *found || strstr (text, "%(") != NULL;
  return g_strdup (text);
}

gboolean
bb_libvirt_document_has_templates (BbLibvirtDocument *self)
{
  gboolean found = FALSE;

  fill_in_node (self->domain, note_template, &found, NULL);
  return found;
}

static char *
check_template (const char *text, gpointer user_data, GError **error)
{
  for (const char *at = strchr (text, '%'); at != NULL; at = strchr (at, '%'))
    {
      const char *end = at[1] == '(' ? strstr (at, ")s") : NULL;

      if (at[1] == '%')
        end = at;
      if (end == NULL)
        {
          g_autofree char *quoted = bb_error_quote (at, 40);

          g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT,
                       "in \"%s\" a percent sign begins no %%(prop:NAME)s; write %%%% for a percent sign", quoted);
          return NULL;
        }
      at = end + 2;
    }
  return g_strdup (text);
}

gboolean
bb_libvirt_document_check_templates (BbLibvirtDocument *self, GError **error)
{
  return fill_in_node (self->domain, check_template, NULL, error);
}

void
bb_libvirt_document_set_name (BbLibvirtDocument *self, const char *name)
{
  set_text (ensure_child (self->domain, "name"), name);
}

char *
bb_libvirt_document_get_uuid (BbLibvirtDocument *self)
{
  return get_text (find_child (self->domain, "uuid"));
}

void
bb_libvirt_document_set_uuid (BbLibvirtDocument *self, const char *uuid)
{
  set_text (ensure_child (self->domain, "uuid"), uuid);
}

/* Disks. */

static xmlNode *
next_disk (BbLibvirtDocument *self, xmlNode *previous)
{
  xmlNode *node = previous != NULL ? previous->next : NULL;

  if (previous == NULL)
    {
      xmlNode *devices = find_child (self->domain, "devices");

      node = devices != NULL ? devices->children : NULL;
    }
  while (node != NULL && (node->type != XML_ELEMENT_NODE || !g_str_equal (node->name, "disk")))
    node = node->next;
  return node;
}

static char *
get_disk_path (xmlNode *disk, const char *const *volumes, gsize n_volumes)
{
  xmlNode *source = find_child (disk, "source");
  g_autofree char *pool = get_attribute (source, "pool");
  g_autofree char *volume = get_attribute (source, "volume");
  char *path = get_attribute (source, "file");

  if (path == NULL)
    path = get_attribute (source, "dev");
  for (gsize i = 0; path == NULL && i < n_volumes; i++)
    if (g_strcmp0 (volumes[3 * i], pool) == 0 && g_strcmp0 (volumes[3 * i + 1], volume) == 0)
      path = g_strdup (volumes[3 * i + 2]);
  return path;
}

/* The folder's links do not make it another file. */
static char *
resolve (const char *path)
{
  g_autofree char *canonical = g_canonicalize_filename (path, "/");
  g_autofree char *folder = g_path_get_dirname (canonical);
  g_autofree char *name = g_path_get_basename (canonical);
  g_autofree char *real = realpath (folder, NULL);

  return g_build_filename (real != NULL ? real : folder, name, NULL);
}

gboolean
bb_libvirt_document_use_disk (BbLibvirtDocument *self, const char *path, const char *format,
                              const char *const *volumes, gsize n_volumes, GError **error)
{
  g_autofree char *wanted = resolve (path);
  g_autoptr (GString) others = g_string_new (NULL);

  for (xmlNode *disk = next_disk (self, NULL); disk != NULL; disk = next_disk (self, disk))
    {
      g_autofree char *named = get_disk_path (disk, volumes, n_volumes);
      g_autofree char *resolved = named != NULL ? resolve (named) : NULL;

      if (g_strcmp0 (resolved, wanted) == 0)
        {
          xmlNode *driver = ensure_child (disk, "driver");

          if (format != NULL)
            {
              if (!xmlHasProp (driver, XML ("name")))
                set_attribute (driver, "name", "qemu");
              set_attribute (driver, "type", format);
            }
          return TRUE;
        }
      if (named != NULL)
        g_string_append_printf (others, "%s\"%s\"", others->len > 0 ? ", " : "", named);
    }
  g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT,
               "no disk of the domain is hd_image, \"%s\", so that builds would not run on a copy of base_image; its "
               "disks are %s",
               path, others->len > 0 ? others->str : "none");
  return FALSE;
}

char **
bb_libvirt_document_list_volumes (BbLibvirtDocument *self)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);

  for (xmlNode *disk = next_disk (self, NULL); disk != NULL; disk = next_disk (self, disk))
    {
      char *pool = get_attribute (find_child (disk, "source"), "pool");
      char *volume = get_attribute (find_child (disk, "source"), "volume");

      if (pool != NULL && volume != NULL)
        {
          g_ptr_array_add (list, pool);
          g_ptr_array_add (list, volume);
          continue;
        }
      g_free (pool);
      g_free (volume);
    }
  g_ptr_array_add (list, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&list), FALSE);
}

char **
bb_libvirt_document_list_transient (BbLibvirtDocument *self, const char *name)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);

  for (xmlNode *disk = next_disk (self, NULL); disk != NULL; disk = next_disk (self, disk))
    {
      g_autofree char *path = get_attribute (find_child (disk, "source"), "file");

      if (path != NULL && find_child (disk, "transient") != NULL)
        g_ptr_array_add (list, g_strdup_printf ("%s.TRANSIENT-%s", path, name));
    }
  g_ptr_array_add (list, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&list), FALSE);
}

char *
bb_libvirt_document_get_console (BbLibvirtDocument *self)
{
  xmlNode *devices = find_child (self->domain, "devices");

  for (xmlNode *node = devices != NULL ? devices->children : NULL; node != NULL; node = node->next)
    {
      char *path;

      if (node->type != XML_ELEMENT_NODE
          || (!g_str_equal (node->name, "serial") && !g_str_equal (node->name, "console")))
        continue;
      path = get_attribute (find_child (node, "log"), "file");
      if (path == NULL && attribute_is (node, "type", "file"))
        path = get_attribute (find_child (node, "source"), "path");
      if (path != NULL)
        return path;
    }
  return NULL;
}

/* Metadata. */

static xmlNode *
replace_metadata (BbLibvirtDocument *self, const char *name, const char *namespace, const char *prefix)
{
  xmlNode *metadata = ensure_child (self->domain, "metadata");
  xmlNode *next;
  xmlNode *node;

  for (node = metadata->children; node != NULL; node = next)
    {
      next = node->next;
      if (node->ns != NULL && g_strcmp0 (STRING (node->ns->href), namespace) == 0)
        {
          xmlUnlinkNode (node);
          xmlFreeNode (node);
        }
    }
  node = xmlNewChild (metadata, NULL, XML (name), NULL);
  xmlSetNs (node, xmlNewNs (node, XML (namespace), XML (prefix)));
  return node;
}

void
bb_libvirt_document_set_mark (BbLibvirtDocument *self, const BbLibvirtMark *mark)
{
  xmlNode *node = replace_metadata (self, "instance", BB_LIBVIRT_NAMESPACE, "bbhost");

  set_attribute (node, "host", mark->host);
  set_attribute (node, "store", mark->store);
  set_attribute (node, "token", mark->token);
  set_attribute (node, "slave", mark->slave);
  for (char **resource = mark->resources; resource != NULL && *resource != NULL; resource++)
    xmlSetNs (add_text_child (node, "resource", *resource), node->ns);
}

void
bb_libvirt_document_set_auth (BbLibvirtDocument *self, const BbLibvirtIdentity *identity)
{
  xmlNode *node = replace_metadata (self, "auth", BB_LIBVIRT_BUILDBOT_NAMESPACE, "buildbot");
  g_autofree char *port = g_strdup_printf ("%u", identity->port);

  set_attribute (node, "username", identity->name);
  set_attribute (node, "password", identity->password);
  set_attribute (node, "master", identity->host);
  set_attribute (node, "port", port);
}

/* Identity. */

static xmlNode *
ensure_sysinfo (BbLibvirtDocument *self, const char *type)
{
  xmlNode *node;

  for (node = self->domain->children; node != NULL; node = node->next)
    if (node->type == XML_ELEMENT_NODE && g_str_equal (node->name, "sysinfo") && attribute_is (node, "type", type))
      return node;
  node = xmlNewChild (self->domain, NULL, XML ("sysinfo"), NULL);
  set_attribute (node, "type", type);
  return node;
}

static void
add_fwcfg_entry (xmlNode *sysinfo, const char *key, const char *value, const char *file)
{
  g_autofree char *name = g_strconcat ("opt/org.bbhost/", key, NULL);
  xmlNode *next;
  xmlNode *entry;

  for (entry = sysinfo->children; entry != NULL; entry = next)
    {
      next = entry->next;
      if (entry->type == XML_ELEMENT_NODE && attribute_is (entry, "name", name))
        {
          xmlUnlinkNode (entry);
          xmlFreeNode (entry);
        }
    }
  entry = file != NULL ? xmlNewChild (sysinfo, NULL, XML ("entry"), NULL) : add_text_child (sysinfo, "entry", value);
  set_attribute (entry, "name", name);
  if (file != NULL)
    set_attribute (entry, "file", file);
}

void
bb_libvirt_document_add_fwcfg (BbLibvirtDocument *self, const BbLibvirtIdentity *identity, const char *password_file)
{
  xmlNode *sysinfo = ensure_sysinfo (self, "fwcfg");

  add_fwcfg_entry (sysinfo, "master", identity->address, NULL);
  add_fwcfg_entry (sysinfo, "name", identity->name, NULL);
  add_fwcfg_entry (sysinfo, "password", identity->password, password_file);
}

void
bb_libvirt_document_add_smbios (BbLibvirtDocument *self, const BbLibvirtIdentity *identity)
{
  xmlNode *strings = ensure_child (ensure_sysinfo (self, "smbios"), "oemStrings");
  g_autofree char *master = g_strconcat ("bbhost.master=", identity->address, NULL);
  g_autofree char *name = g_strconcat ("bbhost.name=", identity->name, NULL);
  g_autofree char *password = g_strconcat ("bbhost.password=", identity->password, NULL);

  set_attribute (ensure_child (ensure_child (self->domain, "os"), "smbios"), "mode", "sysinfo");
  add_text_child (strings, "entry", master);
  add_text_child (strings, "entry", name);
  add_text_child (strings, "entry", password);
}

void
bb_libvirt_document_add_cmdline (BbLibvirtDocument *self, const BbLibvirtIdentity *identity)
{
  xmlNode *node = ensure_child (ensure_child (self->domain, "os"), "cmdline");
  g_autofree char *old = get_text (node);
  g_autofree char *cmdline
    = g_strdup_printf ("%s%sbb.master=%s bb.name=%s bb.password=%s", old != NULL ? old : "",
                       old != NULL && *old != '\0' ? " " : "", identity->address, identity->name, identity->password);

  set_text (node, cmdline);
}

static char *
choose_target (BbLibvirtDocument *self)
{
  char target[] = "vda";

  for (guint letter = 0; letter < MAX_LETTERS; letter++)
    {
      gboolean taken = FALSE;

      target[2] = (char) ('a' + letter);
      for (xmlNode *disk = next_disk (self, NULL); disk != NULL && !taken; disk = next_disk (self, disk))
        taken = attribute_is (find_child (disk, "target"), "dev", target);
      if (!taken)
        break;
    }
  return g_strdup (target);
}

void
bb_libvirt_document_add_seed (BbLibvirtDocument *self, const char *path)
{
  g_autofree char *target = choose_target (self);
  xmlNode *disk = xmlNewChild (ensure_child (self->domain, "devices"), NULL, XML ("disk"), NULL);
  xmlNode *node;

  set_attribute (disk, "type", "file");
  set_attribute (disk, "device", "disk");
  node = xmlNewChild (disk, NULL, XML ("driver"), NULL);
  set_attribute (node, "name", "qemu");
  set_attribute (node, "type", "raw");
  set_attribute (xmlNewChild (disk, NULL, XML ("source"), NULL), "file", path);
  node = xmlNewChild (disk, NULL, XML ("target"), NULL);
  set_attribute (node, "dev", target);
  set_attribute (node, "bus", "virtio");
  xmlNewChild (disk, NULL, XML ("readonly"), NULL);
}

/* Marks. */

BbLibvirtMark *
bb_libvirt_mark_parse (const char *xml)
{
  xmlDoc *doc = parse (xml, "instance", NULL);
  g_autoptr (GPtrArray) resources = NULL;
  BbLibvirtMark *mark;
  xmlNode *root;

  if (doc == NULL)
    return NULL;
  root = xmlDocGetRootElement (doc);
  resources = g_ptr_array_new_with_free_func (g_free);
  for (xmlNode *node = root->children; node != NULL; node = node->next)
    if (node->type == XML_ELEMENT_NODE && g_str_equal (node->name, "resource"))
      g_ptr_array_add (resources, get_text (node));
  g_ptr_array_add (resources, NULL);
  mark = g_new0 (BbLibvirtMark, 1);
  mark->host = get_attribute (root, "host");
  mark->store = get_attribute (root, "store");
  mark->token = get_attribute (root, "token");
  mark->slave = get_attribute (root, "slave");
  mark->resources = (char **) g_ptr_array_free (g_steal_pointer (&resources), FALSE);
  xmlFreeDoc (doc);
  return mark;
}

void
bb_libvirt_mark_free (BbLibvirtMark *self)
{
  g_free (self->host);
  g_free (self->store);
  g_free (self->token);
  g_free (self->slave);
  g_strfreev (self->resources);
  g_free (self);
}
