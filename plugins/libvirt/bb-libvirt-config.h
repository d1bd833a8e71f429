/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bbhost/bbhost.h>

G_BEGIN_DECLS

/* How the guest learns its name, this run's password and the host's address. */
typedef enum
{
  BB_LIBVIRT_HAND_OVER_NOTHING = 0,
  BB_LIBVIRT_HAND_OVER_FWCFG = 1 << 0,        /* the password in a file that QEMU reads */
  BB_LIBVIRT_HAND_OVER_NOCLOUD = 1 << 1,      /* a small disk labelled cidata */
  BB_LIBVIRT_HAND_OVER_METADATA = 1 << 2,     /* Buildbot's element in the domain's metadata */
  BB_LIBVIRT_HAND_OVER_FWCFG_INLINE = 1 << 3, /* these three show the password in ps and in dumpxml */
  BB_LIBVIRT_HAND_OVER_SMBIOS = 1 << 4,
  BB_LIBVIRT_HAND_OVER_CMDLINE = 1 << 5,
} BbLibvirtHandOver;

#define BB_LIBVIRT_HAND_OVER_LEAKS                                                                                     \
  (BB_LIBVIRT_HAND_OVER_FWCFG_INLINE | BB_LIBVIRT_HAND_OVER_SMBIOS | BB_LIBVIRT_HAND_OVER_CMDLINE)

typedef enum
{
  BB_LIBVIRT_CLONE_AUTO,
  BB_LIBVIRT_CLONE_QEMU_IMG,
  BB_LIBVIRT_CLONE_STORAGE,
} BbLibvirtClone;

typedef struct
{
  char *connection;
  char *uri; /* the later name of the same */
  char *hd_image;
  char *base_image;
  char *base_format;
  gboolean cheap_copy;
  int clone_with; /* BbLibvirtClone */
  char *xml;
  char *xml_file;
  gboolean graceful_shutdown;
  double shutdown_timeout; /* seconds */
  char *master_fqdn;
  char **hand_over;
  char *hand_over_directory;
  char *hand_over_group;
  char *user_data;
  char *user_data_file;
} BbLibvirtConfig;

extern const BbOption bb_libvirt_options[];

void bb_libvirt_config_validate (gconstpointer config, GPtrArray *errors);

const char *bb_libvirt_config_get_uri (const BbLibvirtConfig *self);
gboolean bb_libvirt_config_has_xml (const BbLibvirtConfig *self);
BbLibvirtHandOver bb_libvirt_config_get_hand_over (const BbLibvirtConfig *self);
/* Whether the clones are made by this machine's qemu-img, beside files of this machine. */
gboolean bb_libvirt_config_clones_locally (const BbLibvirtConfig *self);

/* Whether the hypervisor's files are those of this machine. */
gboolean bb_libvirt_uri_is_local (const char *uri);

G_END_DECLS
