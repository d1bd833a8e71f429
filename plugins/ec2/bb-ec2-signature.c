/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-signature.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

static char *
to_hex (const guint8 *digest)
{
  static const char digits[] = "0123456789abcdef";
  char *hex = g_new (char, SHA256_DIGEST_LENGTH * 2 + 1);

  for (gsize i = 0; i < SHA256_DIGEST_LENGTH; i++)
    {
      hex[2 * i] = digits[digest[i] >> 4];
      hex[2 * i + 1] = digits[digest[i] & 15];
    }
  hex[SHA256_DIGEST_LENGTH * 2] = '\0';
  return hex;
}

static char *
hash (const char *data, gsize length)
{
  guint8 digest[SHA256_DIGEST_LENGTH];

  SHA256 ((const guint8 *) data, length, digest);
  return to_hex (digest);
}

static void
hmac (const guint8 *key, gsize key_length, const char *text, guint8 *digest)
{
  HMAC (EVP_sha256 (), key, (int) key_length, (const guint8 *) text, strlen (text), digest, NULL);
}

/* Already escaped or not, what comes out is escaped once. */
static char *
escape_again (const char *text, const char *allowed)
{
  g_autofree char *plain = g_uri_unescape_string (text, NULL);

  return g_uri_escape_string (plain != NULL ? plain : text, allowed, FALSE);
}

static gint
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static char *
canonical_query (const char *query)
{
  g_auto (GStrv) pairs = g_strsplit (query, "&", -1);
  g_autoptr (GPtrArray) sorted = g_ptr_array_new_with_free_func (g_free);
  GString *joined = g_string_new (NULL);

  for (gsize i = 0; pairs[i] != NULL; i++)
    {
      char *equals = strchr (pairs[i], '=');
      g_autofree char *name = NULL;
      g_autofree char *value = NULL;

      if (pairs[i][0] == '\0')
        continue;
      if (equals != NULL)
        *equals = '\0';
      name = escape_again (pairs[i], NULL);
      value = escape_again (equals != NULL ? equals + 1 : "", NULL);
      /* By name first, so with something between the two that sorts before all else. */
      g_ptr_array_add (sorted, g_strconcat (name, "\n", value, NULL));
    }
  g_ptr_array_sort (sorted, compare_strings);
  for (guint i = 0; i < sorted->len; i++)
    g_string_append_printf (joined, "%s%s", i == 0 ? "" : "&", g_strdelimit (sorted->pdata[i], "\n", '='));
  return g_string_free (joined, FALSE);
}

/* Trimmed, and runs of blanks made one. */
static void
append_value (GString *joined, const char *value)
{
  gboolean blank = TRUE; /* nothing yet, so leading ones are dropped */
  gsize end = joined->len;

  for (const char *c = value; *c != '\0'; c++)
    {
      if (g_ascii_isspace (*c))
        {
          if (!blank)
            g_string_append_c (joined, ' ');
          blank = TRUE;
          continue;
        }
      g_string_append_c (joined, *c);
      blank = FALSE;
      end = joined->len;
    }
  g_string_truncate (joined, end);
}

typedef struct
{
  char *name; /* in lower case */
  const char *value;
  gsize position; /* repeated headers keep their order */
} SortedHeader;

static void
sorted_header_clear (gpointer data)
{
  SortedHeader *header = data;

  g_free (header->name);
}

static gint
compare_headers (gconstpointer a, gconstpointer b)
{
  const SortedHeader *first = a;
  const SortedHeader *second = b;
  int order = strcmp (first->name, second->name);

  if (order != 0)
    return order;
  return first->position < second->position ? -1 : first->position > second->position;
}

/* Appends `name:value` lines to @lines, and the names joined by ";" to @names. */
static void
canonical_headers (const BbEc2SigningRequest *request, GString *lines, GString *names)
{
  g_autoptr (GArray) sorted = g_array_new (FALSE, FALSE, sizeof (SortedHeader));
  const char *previous = NULL;

  g_array_set_clear_func (sorted, sorted_header_clear);
  for (gsize i = 0; i < request->n_headers; i++)
    {
      SortedHeader header = { g_ascii_strdown (request->headers[i].name, -1), request->headers[i].value, i };

      g_array_append_val (sorted, header);
    }
  g_array_sort (sorted, compare_headers);
  for (guint i = 0; i < sorted->len; i++)
    {
      SortedHeader *header = &g_array_index (sorted, SortedHeader, i);

      if (previous != NULL && g_str_equal (previous, header->name))
        g_string_overwrite (lines, lines->len - 1, ",");
      else
        {
          g_string_append_printf (names, "%s%s", i == 0 ? "" : ";", header->name);
          g_string_append_printf (lines, "%s:", header->name);
        }
      append_value (lines, header->value);
      g_string_append_c (lines, '\n');
      previous = header->name;
    }
}

static char *
make_canonical_request (const BbEc2SigningRequest *request, char **signed_headers)
{
  g_autoptr (GString) lines = g_string_new (NULL);
  GString *names = g_string_new (NULL);
  g_autofree char *path = escape_again (request->path, "/");
  g_autofree char *query = canonical_query (request->query);
  g_autofree char *body_hash = hash (request->body, request->body_length);

  canonical_headers (request, lines, names);
  *signed_headers = g_string_free (names, FALSE);
  return g_strdup_printf ("%s\n%s\n%s\n%s\n%s\n%s", request->method, path, query, lines->str, *signed_headers,
                          body_hash);
}

char *
bb_ec2_signature_canonical_request (const BbEc2SigningRequest *request)
{
  g_autofree char *signed_headers = NULL;

  return make_canonical_request (request, &signed_headers);
}

static char *
make_scope (const BbEc2SigningRequest *request)
{
  return g_strdup_printf ("%.8s/%s/%s/aws4_request", request->timestamp, request->region, request->service);
}

static char *
make_string_to_sign (const BbEc2SigningRequest *request, char **signed_headers)
{
  g_autofree char *canonical = make_canonical_request (request, signed_headers);
  g_autofree char *canonical_hash = hash (canonical, strlen (canonical));
  g_autofree char *scope = make_scope (request);

  return g_strdup_printf ("AWS4-HMAC-SHA256\n%s\n%s\n%s", request->timestamp, scope, canonical_hash);
}

char *
bb_ec2_signature_string_to_sign (const BbEc2SigningRequest *request)
{
  g_autofree char *signed_headers = NULL;

  return make_string_to_sign (request, &signed_headers);
}

char *
bb_ec2_signature_authorize (const BbEc2SigningRequest *request, const char *access_key_id,
                            const char *secret_access_key)
{
  g_autofree char *signed_headers = NULL;
  g_autofree char *string_to_sign = make_string_to_sign (request, &signed_headers);
  g_autofree char *scope = make_scope (request);
  g_autofree char *first_key = g_strconcat ("AWS4", secret_access_key, NULL);
  g_autofree char *date = g_strndup (request->timestamp, 8);
  g_autofree char *signature = NULL;
  guint8 key[SHA256_DIGEST_LENGTH];

  hmac ((const guint8 *) first_key, strlen (first_key), date, key);
  hmac (key, sizeof key, request->region, key);
  hmac (key, sizeof key, request->service, key);
  hmac (key, sizeof key, "aws4_request", key);
  hmac (key, sizeof key, string_to_sign, key);
  signature = to_hex (key);
  OPENSSL_cleanse (first_key, strlen (first_key));
  return g_strdup_printf ("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", access_key_id, scope,
                          signed_headers, signature);
}

char *
bb_ec2_signature_format_time (gint64 unix_time)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (unix_time);

  return g_date_time_format (time, "%Y%m%dT%H%M%SZ");
}
