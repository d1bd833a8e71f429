/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-domain.h"

#include "bb-libvirt-error.h"

#include <libvirt/virterror.h>
#include <stdlib.h>

typedef virDomain Domain;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Domain, virDomainFree)

void
bb_libvirt_domain_info_free (BbLibvirtDomainInfo *self)
{
  g_free (self->name);
  g_free (self->uuid);
  g_clear_pointer (&self->mark, bb_libvirt_mark_free);
  g_free (self);
}

static BbLibvirtDomainState
judge_state (int state)
{
  switch (state)
    {
    case VIR_DOMAIN_SHUTOFF:
      return BB_LIBVIRT_DOMAIN_OFF;
    case VIR_DOMAIN_SHUTDOWN:
      return BB_LIBVIRT_DOMAIN_ENDS;
    case VIR_DOMAIN_CRASHED:
      return BB_LIBVIRT_DOMAIN_BROKEN;
    default:
      return BB_LIBVIRT_DOMAIN_RUNS;
    }
}

static gboolean
is_gone (void)
{
  return bb_libvirt_get_error_code () == VIR_ERR_NO_DOMAIN;
}

/* A domain may end between any two questions; then its state is NONE. */
static gboolean
ask (virDomainPtr domain, BbLibvirtDomainInfo *info, GError **error)
{
  int state;
  int persistent;
  char *metadata;

  if (virDomainGetState (domain, &state, NULL, 0) < 0 || (persistent = virDomainIsPersistent (domain)) < 0)
    {
      if (is_gone ())
        return TRUE;
      bb_libvirt_set_error (error, "the state of domain \"%s\"", info->name);
      return FALSE;
    }
  metadata = virDomainGetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, BB_LIBVIRT_NAMESPACE, VIR_DOMAIN_AFFECT_CURRENT);
  if (metadata == NULL && bb_libvirt_get_error_code () != VIR_ERR_NO_DOMAIN_METADATA)
    {
      if (is_gone ())
        return TRUE;
      bb_libvirt_set_error (error, "the metadata of domain \"%s\"", info->name);
      return FALSE;
    }
  if (metadata != NULL)
    info->mark = bb_libvirt_mark_parse (metadata);
  free (metadata);
  info->state = judge_state (state);
  info->persistent = persistent == 1;
  return TRUE;
}

static BbLibvirtDomainInfo *
get_info (virDomainPtr domain, GError **error)
{
  g_autoptr (BbLibvirtDomainInfo) info = g_new0 (BbLibvirtDomainInfo, 1);
  char uuid[VIR_UUID_STRING_BUFLEN] = "";

  virDomainGetUUIDString (domain, uuid);
  info->name = g_strdup (virDomainGetName (domain));
  info->uuid = g_strdup (uuid);
  return ask (domain, info, error) ? g_steal_pointer (&info) : NULL;
}

/* @domain: (nullable): what was found */
static BbLibvirtDomainInfo *
take_found (virDomainPtr domain, const char *wanted, GError **error)
{
  g_autoptr (Domain) owned = domain;

  if (owned != NULL)
    return get_info (owned, error);
  if (is_gone ())
    return g_new0 (BbLibvirtDomainInfo, 1);
  bb_libvirt_set_error (error, "looking for domain \"%s\"", wanted);
  return NULL;
}

BbLibvirtDomainInfo *
bb_libvirt_domain_find_by_name (virConnectPtr connection, const char *name, GError **error)
{
  return take_found (virDomainLookupByName (connection, name), name, error);
}

BbLibvirtDomainInfo *
bb_libvirt_domain_find_by_uuid (virConnectPtr connection, const char *uuid, GError **error)
{
  return take_found (virDomainLookupByUUIDString (connection, uuid), uuid, error);
}

GPtrArray *
bb_libvirt_domain_list (virConnectPtr connection, const char *store, GError **error)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_libvirt_domain_info_free);
  virDomainPtr *domains = NULL;
  int n = virConnectListAllDomains (connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
  gboolean complete = n >= 0;

  if (n < 0)
    bb_libvirt_set_error (error, "listing the domains");
  for (int i = 0; i < n; i++)
    {
      g_autoptr (Domain) domain = domains[i];
      g_autoptr (BbLibvirtDomainInfo) info = complete ? get_info (domain, error) : NULL;

      complete = complete && info != NULL;
      if (info != NULL && info->state != BB_LIBVIRT_DOMAIN_NONE && info->mark != NULL
          && g_strcmp0 (info->mark->store, store) == 0)
        g_ptr_array_add (list, g_steal_pointer (&info));
    }
  free (domains);
  return complete ? g_steal_pointer (&list) : NULL;
}

char *
bb_libvirt_domain_get_definition (virConnectPtr connection, const char *uuid, GError **error)
{
  g_autoptr (Domain) domain = virDomainLookupByUUIDString (connection, uuid);
  char *xml = domain != NULL
                ? virDomainGetXMLDesc (domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE)
                : NULL;
  char *copy = g_strdup (xml);

  if (xml == NULL)
    bb_libvirt_set_error (error, "the definition of the domain");
  free (xml);
  return copy;
}

gboolean
bb_libvirt_domain_create (virConnectPtr connection, const char *xml, GError **error)
{
  g_autoptr (Domain) domain = virDomainCreateXML (connection, xml, 0);

  if (domain == NULL)
    bb_libvirt_set_error (error, "starting the domain");
  return domain != NULL;
}

gboolean
bb_libvirt_domain_shut_down (virConnectPtr connection, const char *uuid, GError **error)
{
  g_autoptr (Domain) domain = virDomainLookupByUUIDString (connection, uuid);

  if (domain != NULL && virDomainShutdown (domain) == 0)
    return TRUE;
  bb_libvirt_set_error (error, "asking the guest to shut down");
  return FALSE;
}

gboolean
bb_libvirt_domain_destroy (virConnectPtr connection, const char *uuid, GError **error)
{
  g_autoptr (Domain) domain = virDomainLookupByUUIDString (connection, uuid);

  if (domain != NULL && virDomainDestroy (domain) == 0)
    return TRUE;
  if (is_gone ())
    return TRUE;
  if (domain != NULL && virDomainIsActive (domain) == 0)
    return TRUE;
  bb_libvirt_set_error (error, "destroying the domain");
  return FALSE;
}
