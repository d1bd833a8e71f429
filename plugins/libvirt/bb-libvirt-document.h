/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The definition of a domain, read, checked and filled in; knows nothing of a hypervisor. */
typedef struct _BbLibvirtDocument BbLibvirtDocument;

/* Who a domain belongs to: bbhost's element in its metadata, which everyone may read. */
typedef struct
{
  char *host;
  char *store;
  char *token;
  char *slave;
  char **resources; /* what was made for it */
} BbLibvirtMark;

#define BB_LIBVIRT_NAMESPACE "https://bbhost.org/libvirt/1"
#define BB_LIBVIRT_BUILDBOT_NAMESPACE "http://buildbot.net/"

/* What a guest is to know. */
typedef struct
{
  const char *name;
  const char *password;
  const char *host;
  guint16 port;
  const char *address; /* host:port, with the scheme in front of it unless it is plain pb */
} BbLibvirtIdentity;

/* Fills in one text; returns NULL with an error. */
typedef char *(*BbLibvirtFillFunc) (const char *text, gpointer user_data, GError **error);

/* NULL when @xml is no domain's definition. */
BbLibvirtDocument *bb_libvirt_document_new (const char *xml, GError **error);
void bb_libvirt_document_free (BbLibvirtDocument *self);
char *bb_libvirt_document_to_string (BbLibvirtDocument *self);

/* Each attribute and text by itself, so that what is filled in can't become an element. */
gboolean bb_libvirt_document_fill_in (BbLibvirtDocument *self, BbLibvirtFillFunc func, gpointer user_data,
                                      GError **error);
gboolean bb_libvirt_document_has_templates (BbLibvirtDocument *self);
/* Unclosed ones; what they stand for shows only at a start. */
gboolean bb_libvirt_document_check_templates (BbLibvirtDocument *self, GError **error);

void bb_libvirt_document_set_name (BbLibvirtDocument *self, const char *name);
char *bb_libvirt_document_get_uuid (BbLibvirtDocument *self); /* (nullable) */
void bb_libvirt_document_set_uuid (BbLibvirtDocument *self, const char *uuid);

/**
 * bb_libvirt_document_use_disk:
 * @path: that one of the disks must name
 * @format: (nullable): what the disk's driver is told it is
 * @pools: (nullable) (array length=n_pools): pool, volume, path; three strings for each disk that is a volume
 *
 * An error explains what the definition names instead.
 */
gboolean bb_libvirt_document_use_disk (BbLibvirtDocument *self, const char *path, const char *format,
                                       const char *const *volumes, gsize n_volumes, GError **error);
/* Pool and volume of each disk that is a volume, one after the other. (transfer full) */
char **bb_libvirt_document_list_volumes (BbLibvirtDocument *self);
/* The files that libvirt makes beside the images of <transient/> disks for a domain of that name. (transfer full) */
char **bb_libvirt_document_list_transient (BbLibvirtDocument *self, const char *name);
/* The file that the guest's console is written to. (transfer full) (nullable) */
char *bb_libvirt_document_get_console (BbLibvirtDocument *self);

void bb_libvirt_document_set_mark (BbLibvirtDocument *self, const BbLibvirtMark *mark);
void bb_libvirt_document_set_auth (BbLibvirtDocument *self, const BbLibvirtIdentity *identity);
/* @password_file: (nullable): NULL puts the password itself into the definition */
void bb_libvirt_document_add_fwcfg (BbLibvirtDocument *self, const BbLibvirtIdentity *identity,
                                    const char *password_file);
void bb_libvirt_document_add_smbios (BbLibvirtDocument *self, const BbLibvirtIdentity *identity);
void bb_libvirt_document_add_cmdline (BbLibvirtDocument *self, const BbLibvirtIdentity *identity);
/* A further disk that can only be read. */
void bb_libvirt_document_add_seed (BbLibvirtDocument *self, const char *path);

/* Reads what virDomainGetMetadata() gives; NULL when it is no mark. */
BbLibvirtMark *bb_libvirt_mark_parse (const char *xml);
void bb_libvirt_mark_free (BbLibvirtMark *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbLibvirtDocument, bb_libvirt_document_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbLibvirtMark, bb_libvirt_mark_free)

G_END_DECLS
