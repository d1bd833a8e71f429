/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libvirt/libvirt.h>

#include "bb-libvirt-document.h"

G_BEGIN_DECLS

/* What is asked of one hypervisor about domains. All of these wait for its answer, and so run in threads. */

typedef enum
{
  BB_LIBVIRT_DOMAIN_NONE,  /* there is none of ours: perhaps never was, or has ended */
  BB_LIBVIRT_DOMAIN_OFF,   /* defined, and does not run */
  BB_LIBVIRT_DOMAIN_RUNS,
  BB_LIBVIRT_DOMAIN_ENDS,  /* is shutting down */
  BB_LIBVIRT_DOMAIN_BROKEN /* crashed, and still there */
} BbLibvirtDomainState;

typedef struct
{
  char *name;
  char *uuid;
  BbLibvirtDomainState state;
  gboolean persistent;
  BbLibvirtMark *mark; /* NULL: it is somebody else's */
} BbLibvirtDomainInfo;

void bb_libvirt_domain_info_free (BbLibvirtDomainInfo *self);

/* By its exact name, or NULL with an error; with state NONE when there is none. */
BbLibvirtDomainInfo *bb_libvirt_domain_find_by_name (virConnectPtr connection, const char *name, GError **error);
BbLibvirtDomainInfo *bb_libvirt_domain_find_by_uuid (virConnectPtr connection, const char *uuid, GError **error);
/* All that run and have our mark for that store. (element-type BbLibvirtDomainInfo) */
GPtrArray *bb_libvirt_domain_list (virConnectPtr connection, const char *store, GError **error);

/* As it is defined, whatever runs at present. */
char *bb_libvirt_domain_get_definition (virConnectPtr connection, const char *uuid, GError **error);
/* Starts it from @xml, which is gone when it stops; if a domain is defined under that name and UUID, that stays as it is. */
gboolean bb_libvirt_domain_create (virConnectPtr connection, const char *xml, GError **error);
/* Only asks the guest. */
gboolean bb_libvirt_domain_shut_down (virConnectPtr connection, const char *uuid, GError **error);
/* Returns when it does not run any more; fine when it did not. */
gboolean bb_libvirt_domain_destroy (virConnectPtr connection, const char *uuid, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbLibvirtDomainInfo, bb_libvirt_domain_info_free)

G_END_DECLS
