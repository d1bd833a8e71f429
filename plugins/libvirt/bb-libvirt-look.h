/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libvirt/libvirt.h>

#include "bb-libvirt-domain.h"

G_BEGIN_DECLS

/* Before a start: is something of that name there, what is it, and what does it look like? */
typedef struct
{
  char *uri;
  char *name;
  char *token;
  char *store;
  char *xml_file;
  char *user_data_file;
  gboolean has_xml;
  /* the answers */
  char *xml;
  char *user_data;
  char *uuid; /* of the domain that is defined, or of ours that runs already */
  gboolean persistent;
  gboolean runs_already;
} BbLibvirtLook;

void bb_libvirt_look_free (gpointer self);
/* A BbLibvirtCallFunc; @self: BbLibvirtLook. */
gboolean bb_libvirt_look (virConnectPtr connection, gpointer self, GError **error);

G_END_DECLS
