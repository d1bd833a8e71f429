/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-document.h"

#include <libxml/parser.h>
#include <string.h>

struct _BbEc2Document
{
  xmlDoc *doc;
};

BbEc2Document *
bb_ec2_document_parse (const char *text, gsize length)
{
  const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;
  BbEc2Document *self;
  xmlDoc *doc;

  if (length == 0 || length > G_MAXINT)
    return NULL;
  doc = xmlReadMemory (text, (int) length, NULL, NULL, options);
  if (doc == NULL)
    return NULL;
  if (doc->intSubset != NULL || xmlDocGetRootElement (doc) == NULL)
    {
      xmlFreeDoc (doc);
      return NULL;
    }
  self = g_new0 (BbEc2Document, 1);
  self->doc = doc;
  return self;
}

void
bb_ec2_document_free (BbEc2Document *self)
{
  xmlFreeDoc (self->doc);
  g_free (self);
}

xmlNode *
bb_ec2_document_get_root (BbEc2Document *self)
{
  return xmlDocGetRootElement (self->doc);
}

gboolean
bb_ec2_document_has_root (BbEc2Document *self, const char *name)
{
  return g_str_equal ((const char *) bb_ec2_document_get_root (self)->name, name);
}

static xmlNode *
find_sibling (xmlNode *node, const char *name, gsize length)
{
  for (; node != NULL; node = node->next)
    if (node->type == XML_ELEMENT_NODE && strncmp ((const char *) node->name, name, length) == 0
        && node->name[length] == '\0')
      return node;
  return NULL;
}

xmlNode *
bb_ec2_node_find (xmlNode *node, const char *path)
{
  while (node != NULL && *path != '\0')
    {
      gsize length = strcspn (path, "/");

      node = find_sibling (node->children, path, length);
      path += length;
      if (*path == '/')
        path++;
    }
  return node;
}

char *
bb_ec2_node_get_text (xmlNode *node, const char *path)
{
  xmlNode *found = bb_ec2_node_find (node, path);
  xmlChar *content;
  char *text;

  if (found == NULL)
    return NULL;
  content = xmlNodeGetContent (found);
  if (content == NULL)
    return NULL;
  text = g_strstrip (g_strdup ((const char *) content));
  xmlFree (content);
  if (*text == '\0')
    g_clear_pointer (&text, g_free);
  return text;
}

xmlNode *
bb_ec2_node_first (xmlNode *node, const char *name)
{
  return node != NULL ? find_sibling (node->children, name, strlen (name)) : NULL;
}

xmlNode *
bb_ec2_node_next (xmlNode *node)
{
  const char *name = (const char *) node->name;

  return find_sibling (node->next, name, strlen (name));
}
