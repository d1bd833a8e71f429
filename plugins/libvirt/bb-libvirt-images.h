/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libvirt/libvirt.h>

#include "bb-libvirt-document.h"

G_BEGIN_DECLS

/* The images of one start. Both functions are a BbLibvirtCallFunc for the struct before them. */

/* What the images are, and whether the domain uses them. */
typedef struct
{
  char *base_image; /* NULL: nothing to check */
  char *hd_image;
  char *format; /* in: as configured; out: of base_image */
  gboolean overlay;
  gboolean locally;  /* this machine makes the clone */
  gboolean is_local; /* the hypervisor is of this machine */
  char **leftovers;  /* overlays of transient disks, which are in the way */
  char **volumes;    /* what is going to be made in storage pools */
  BbLibvirtDocument *document; /* the thread's own while it runs */
} BbLibvirtPrepare;

void bb_libvirt_prepare_free (gpointer self);
gboolean bb_libvirt_prepare (virConnectPtr connection, gpointer self, GError **error);

/* What the hypervisor itself is to make. */
typedef struct
{
  char *base_image; /* NULL: no clone */
  char *hd_image;
  char *format;
  gboolean overlay;
  char *seed_file; /* NULL: no seed */
  GBytes *seed;
} BbLibvirtMake;

void bb_libvirt_make_free (gpointer self);
gboolean bb_libvirt_make (virConnectPtr connection, gpointer self, GError **error);

G_END_DECLS
