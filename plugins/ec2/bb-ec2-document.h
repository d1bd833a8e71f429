/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

G_BEGIN_DECLS

/* An answer: XML from somewhere on the network, so parsed without entities, document types, network or unbounded
 * sizes. Elements are matched by their local name, as services differ in how they write the namespace. */
typedef struct _BbEc2Document BbEc2Document;

/* %NULL for anything that is not one whole document without a document type. */
BbEc2Document *bb_ec2_document_parse (const char *text, gsize length);
void bb_ec2_document_free (BbEc2Document *self);
xmlNode *bb_ec2_document_get_root (BbEc2Document *self);
gboolean bb_ec2_document_has_root (BbEc2Document *self, const char *name);

/* @path: names joined by "/"; of several elements the first. (nullable) */
xmlNode *bb_ec2_node_find (xmlNode *node, const char *path);
/* The text of the element at @path, or NULL when there is no such element or it is empty. */
char *bb_ec2_node_get_text (xmlNode *node, const char *path);
/* For lists: the first child called @name of @node (which may be NULL), and the next one after it. */
xmlNode *bb_ec2_node_first (xmlNode *node, const char *name);
xmlNode *bb_ec2_node_next (xmlNode *node);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbEc2Document, bb_ec2_document_free)

G_END_DECLS
