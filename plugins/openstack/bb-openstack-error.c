/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-error.h"

#include "bb-web-json.h"

#include <bbhost/bbhost.h>
#include <string.h>

#define MAX_TEXT 500

G_DEFINE_QUARK (bb-openstack-error-quark, bb_openstack_error)

/* The services' forms: the message inside the only member, whatever that is called, or at the top. */
static const char *
find_message (JsonNode *root)
{
  const char *message = NULL;
  JsonObjectIter iter;
  JsonNode *node;

  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return NULL;
  message = bb_web_json_get_string (json_node_get_object (root), "message");
  json_object_iter_init (&iter, json_node_get_object (root));
  while (message == NULL && json_object_iter_next (&iter, NULL, &node))
    if (JSON_NODE_HOLDS_OBJECT (node))
      message = bb_web_json_get_string (json_node_get_object (node), "message");
  return message;
}

/* One line for people: without markup, and no longer than they want to read. */
static char *
make_plain (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, (gssize) strnlen (text, 4 * MAX_TEXT));
  GString *plain = g_string_new (NULL);
  gboolean in_tag = FALSE;

  for (const char *p = valid; *p != '\0' && plain->len < MAX_TEXT; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c == '<')
        in_tag = TRUE;
      if (!in_tag && !g_unichar_isspace (c) && !g_unichar_iscntrl (c))
        g_string_append_unichar (plain, c);
      else if (plain->len > 0 && plain->str[plain->len - 1] != ' ')
        g_string_append_c (plain, ' ');
      if (c == '>')
        in_tag = FALSE;
    }
  return g_strstrip (g_string_free (plain, FALSE));
}

static char *
describe (GBytes *body)
{
  g_autoptr (JsonNode) root = bb_web_json_parse (body);
  const char *message = find_message (root);

  return message != NULL ? make_plain (message) : NULL;
}

static BbOpenstackError
classify (guint status, const char *text)
{
  /* Nova says 403, or 413 in old times, Neutron 409; nothing but the text tells it from a policy's. */
  if ((status == 403 || status == 409 || status == 413) && text != NULL && strstr (text, "Quota exceeded") != NULL)
    return BB_OPENSTACK_ERROR_QUOTA;
  switch (status)
    {
    case 401:
      return BB_OPENSTACK_ERROR_LOGIN;
    case 403:
      return BB_OPENSTACK_ERROR_FORBIDDEN;
    case 404:
      return BB_OPENSTACK_ERROR_NOT_FOUND;
    case 409:
      return BB_OPENSTACK_ERROR_CONFLICT;
    case 413:
    case 429:
      return BB_OPENSTACK_ERROR_BUSY;
    default:
      if (status >= 500)
        return BB_OPENSTACK_ERROR_SERVER;
      return status >= 400 ? BB_OPENSTACK_ERROR_REFUSED : BB_OPENSTACK_ERROR_GARBAGE;
    }
}

GError *
bb_openstack_error_new_from_answer (const char *who, guint status, GBytes *body)
{
  g_autofree char *text = describe (body);

  if (text == NULL || *text == '\0')
    return g_error_new (BB_OPENSTACK_ERROR, classify (status, NULL), "%s: answered %u", who, status);
  return g_error_new (BB_OPENSTACK_ERROR, classify (status, text), "%s: %s (%u)", who, text, status);
}

GError *
bb_openstack_error_to_core (GError *error)
{
  static const BbError codes[] = {
    [BB_OPENSTACK_ERROR_UNSENT] = BB_ERROR_TIMEOUT,      [BB_OPENSTACK_ERROR_LOST] = BB_ERROR_TIMEOUT,
    [BB_OPENSTACK_ERROR_SERVER] = BB_ERROR_QUOTA,        [BB_OPENSTACK_ERROR_BUSY] = BB_ERROR_QUOTA,
    [BB_OPENSTACK_ERROR_QUOTA] = BB_ERROR_QUOTA,         [BB_OPENSTACK_ERROR_LOGIN] = BB_ERROR_CREDENTIALS,
    [BB_OPENSTACK_ERROR_FORBIDDEN] = BB_ERROR_PERMANENT, [BB_OPENSTACK_ERROR_NOT_FOUND] = BB_ERROR_PERMANENT,
    [BB_OPENSTACK_ERROR_CONFLICT] = BB_ERROR_FAILED,     [BB_OPENSTACK_ERROR_REFUSED] = BB_ERROR_PERMANENT,
    [BB_OPENSTACK_ERROR_GARBAGE] = BB_ERROR_QUOTA,       [BB_OPENSTACK_ERROR_UNCHECKED] = BB_ERROR_QUOTA,
    [BB_OPENSTACK_ERROR_TLS] = BB_ERROR_PERMANENT,
  };
  GError *core;

  if (error->domain != BB_OPENSTACK_ERROR)
    return error;
  core = g_error_new (BB_ERROR, (int) codes[error->code], "openstack: %s", error->message);
  g_error_free (error);
  return core;
}
