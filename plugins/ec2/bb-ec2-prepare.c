/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-prepare.h"

#include "bb-ec2-error.h"
#include "bb-ec2-image-choice.h"

#define FOR_EVER 1e12
#define IMAGES_LIFETIME 10 /* so that those who start together ask once */
#define ADDRESS_LIFETIME 300
#define PRICES_LIFETIME 300
#define BID_WITHOUT_PRICES 0.02

/* What a fetch under way keeps of the configuration. */
typedef struct
{
  char *name;
  char **owners;
  char *regex;
} Fetch;

static void
fetch_free (gpointer data)
{
  Fetch *fetch = data;

  g_free (fetch->name);
  g_strfreev (fetch->owners);
  g_free (fetch->regex);
  g_free (fetch);
}

static void
set_fetch (GTask *task, const char *name, char **owners, const char *regex)
{
  Fetch *fetch = g_new0 (Fetch, 1);

  fetch->name = g_strdup (name);
  fetch->owners = owners;
  fetch->regex = g_strdup (regex);
  g_task_set_task_data (task, fetch, fetch_free);
}

/* Consumes @query; (transfer full) @task */
static void
call (GTask *task, BbEc2Query *query, GAsyncReadyCallback callback)
{
  BbEc2Account *account = g_task_get_source_object (task);

  bb_ec2_client_call_async (bb_ec2_account_get_client (account), query, BB_EC2_CALL_PATIENT,
                            g_task_get_cancellable (task), callback, task);
  bb_ec2_query_unref (query);
}

static void
return_string (GTask *task, const char *text)
{
  g_task_return_pointer (task, g_strdup (text), g_free);
}

static void
return_missing (GTask *task, const char *text)
{
  g_task_return_error (task, bb_ec2_error_new (BB_EC2_ERROR_NOT_FOUND, NULL, text));
}

/* --- the image */

static char *
describe_filters (const Fetch *fetch)
{
  GString *text = g_string_new (NULL);

  if (fetch->owners[0] != NULL)
    {
      g_autofree char *owners = g_strjoinv (", ", fetch->owners);

      g_string_append_printf (text, " of %s", owners);
    }
  if (fetch->regex != NULL)
    g_string_append_printf (text, " whose location matches \"%s\"", fetch->regex);
  return g_string_free (text, FALSE);
}

static void
images_listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Fetch *fetch = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) images = bb_ec2_client_list_finish (BB_EC2_CLIENT (source), result, &error);
  g_autoptr (GRegex) regex = NULL;
  g_autofree char *filters = describe_filters (fetch);
  g_autofree char *why = NULL;
  g_autofree char *answer = NULL;
  const BbEc2Image *image;
  guint n_candidates = 0;

  if (images != NULL && fetch->regex != NULL)
    regex = bb_ec2_image_compile (fetch->regex, &error);
  if (error != NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  image = bb_ec2_image_choose (images, regex, &n_candidates);
  if (image == NULL)
    {
      g_autofree char *text = g_strdup_printf ("no image%s: looked at %u, none of which is available and fits", filters,
                                               images->len);

      return_missing (task, text);
      return;
    }
  why = g_strdup_printf ("%s, the last of %u of %u images%s", image->location != NULL ? image->location : "no location",
                         n_candidates, images->len, filters);
  bb_log_host (G_LOG_LEVEL_MESSAGE, "ec2: image %s: %s", image->id, why);
  answer = g_strdup_printf ("%s\n%s", image->id, why);
  return_string (task, answer);
}

static void
image_described_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Fetch *fetch = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);
  g_autofree char *text = NULL;

  if (document == NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else if (bb_ec2_node_find (bb_ec2_document_get_root (document), "imagesSet/item") == NULL)
    {
      text = g_strdup_printf ("there is no image %s", fetch->name);
      return_missing (task, text);
    }
  else
    return_string (task, fetch->name);
}

static void
fetch_image (BbEc2Account *account, gconstpointer data, GTask *task)
{
  const BbEc2Config *config = data;

  set_fetch (task, config->ami, bb_ec2_config_get_owners (config), config->valid_ami_location_regex);
  if (config->ami != NULL)
    call (task, bb_ec2_api_describe_image (config->ami), image_described_cb);
  else
    {
      const Fetch *fetch = g_task_get_task_data (task);
      g_autoptr (BbEc2Query) query = bb_ec2_api_describe_images ((const char *const *) fetch->owners);

      bb_ec2_client_list_async (bb_ec2_account_get_client (account), query, bb_ec2_api_parse_images,
                                (GDestroyNotify) bb_ec2_image_free, BB_EC2_CALL_PATIENT, g_task_get_cancellable (task),
                                images_listed_cb, task);
    }
}

/* --- key pair and security group: described first, made when missing; that somebody else was faster is fine */

static void
made_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  /* Of a key pair this holds the private half, for which there is no second chance and no use. */
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);

  if (document != NULL || bb_ec2_error_has_code (error, "InvalidKeyPair.Duplicate")
      || bb_ec2_error_has_code (error, "InvalidGroup.Duplicate"))
    return_string (task, "made");
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
key_pair_described_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Fetch *fetch = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);

  if (document != NULL)
    return_string (task, "found");
  else if (bb_ec2_error_has_code (error, "InvalidKeyPair.NotFound"))
    call (g_steal_pointer (&task), bb_ec2_api_create_key_pair (fetch->name), made_cb);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
fetch_key_pair (BbEc2Account *account, gconstpointer data, GTask *task)
{
  const BbEc2Config *config = data;

  set_fetch (task, config->keypair_name, NULL, NULL);
  call (task, bb_ec2_api_describe_key_pair (config->keypair_name), key_pair_described_cb);
}

static void
security_group_described_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Fetch *fetch = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);

  if (document != NULL && bb_ec2_api_parse_has_security_group (bb_ec2_document_get_root (document)))
    return_string (task, "found");
  else if (document != NULL || bb_ec2_error_has_code (error, "InvalidGroup.NotFound"))
    call (g_steal_pointer (&task), bb_ec2_api_create_security_group (fetch->name), made_cb);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
fetch_security_group (BbEc2Account *account, gconstpointer data, GTask *task)
{
  const char *name = bb_ec2_config_get_security_name (data);

  set_fetch (task, name, NULL, NULL);
  call (task, bb_ec2_api_describe_security_group (name), security_group_described_cb);
}

/* --- the address */

static void
address_described_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Fetch *fetch = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);
  xmlNode *item;
  g_autofree char *allocation = NULL;
  g_autofree char *text = NULL;

  if (document == NULL)
    {
      g_prefix_error (&error, "elastic_ip %s: ", fetch->name);
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  item = bb_ec2_node_find (bb_ec2_document_get_root (document), "addressesSet/item");
  if (item == NULL)
    {
      text = g_strdup_printf ("elastic_ip %s is no address of this account in this region", fetch->name);
      return_missing (task, text);
      return;
    }
  allocation = bb_ec2_node_get_text (item, "allocationId");
  return_string (task, allocation != NULL ? allocation : "");
}

static void
fetch_address (BbEc2Account *account, gconstpointer data, GTask *task)
{
  const BbEc2Config *config = data;

  set_fetch (task, config->elastic_ip, NULL, NULL);
  call (task, bb_ec2_api_describe_address (config->elastic_ip), address_described_cb);
}

static char *
make_key (BbEc2PrepareKind kind, const BbEc2Config *config)
{
  g_auto (GStrv) owners = NULL;
  g_autofree char *joined = NULL;

  switch (kind)
    {
    case BB_EC2_PREPARE_KEY_PAIR:
      return g_strconcat ("key-pair\n", config->keypair_name, NULL);
    case BB_EC2_PREPARE_SECURITY_GROUP:
      return g_strconcat ("security-group\n", bb_ec2_config_get_security_name (config), NULL);
    case BB_EC2_PREPARE_ADDRESS:
      return g_strconcat ("address\n", config->elastic_ip, NULL);
    case BB_EC2_PREPARE_IMAGE:
      break;
    }
  owners = bb_ec2_config_get_owners (config);
  joined = g_strjoinv (";", owners);
  return g_strdup_printf ("image\n%s\n%s\n%s", config->ami != NULL ? config->ami : "", joined,
                          config->valid_ami_location_regex != NULL ? config->valid_ami_location_regex : "");
}

gboolean
bb_ec2_prepare_is_needed (BbEc2PrepareKind kind, const BbEc2Config *config)
{
  switch (kind)
    {
    case BB_EC2_PREPARE_KEY_PAIR:
      return config->keypair_name != NULL;
    case BB_EC2_PREPARE_SECURITY_GROUP:
      return bb_ec2_config_get_security_name (config) != NULL;
    case BB_EC2_PREPARE_ADDRESS:
      return config->elastic_ip != NULL;
    case BB_EC2_PREPARE_IMAGE:
      break;
    }
  return TRUE;
}

void
bb_ec2_prepare_async (BbEc2Account *account, BbEc2PrepareKind kind, const BbEc2Config *config,
                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  static const BbEc2FetchFunc fetches[] = { [BB_EC2_PREPARE_IMAGE] = fetch_image,
                                            [BB_EC2_PREPARE_KEY_PAIR] = fetch_key_pair,
                                            [BB_EC2_PREPARE_SECURITY_GROUP] = fetch_security_group,
                                            [BB_EC2_PREPARE_ADDRESS] = fetch_address };
  g_autofree char *key = make_key (kind, config);
  double lifetime = FOR_EVER;

  if (kind == BB_EC2_PREPARE_IMAGE && config->ami == NULL)
    lifetime = IMAGES_LIFETIME;
  else if (kind == BB_EC2_PREPARE_ADDRESS)
    lifetime = ADDRESS_LIFETIME;
  bb_ec2_account_share_async (account, key, lifetime, fetches[kind], config, cancellable, callback, user_data);
}

char *
bb_ec2_prepare_finish (BbEc2Account *account, GAsyncResult *result, GError **error)
{
  return bb_ec2_account_share_finish (account, result, error);
}

void
bb_ec2_prepare_forget (BbEc2Account *account, BbEc2PrepareKind kind, const BbEc2Config *config)
{
  g_autofree char *key = make_key (kind, config);

  bb_ec2_account_forget (account, key);
}

/* --- the bid */

typedef struct
{
  const BbEc2Config *config; /* the slave's, which the caller of a start keeps */
  char *slave_name;
  char *type;
  char *zone;
} Bid;

static void
bid_free (gpointer data)
{
  Bid *bid = data;

  g_free (bid->slave_name);
  g_free (bid->type);
  g_free (bid->zone);
  g_free (bid);
}

static void
prices_listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) prices = bb_ec2_client_list_finish (BB_EC2_CLIENT (source), result, &error);
  double sum = 0;
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (prices == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  for (guint i = 0; i < prices->len; i++)
    sum += *(const double *) prices->pdata[i];
  return_string (task, g_ascii_dtostr (text, sizeof text, prices->len > 0 ? sum / prices->len : -1));
}

static void
fetch_mean_price (BbEc2Account *account, gconstpointer data, GTask *task)
{
  const Bid *bid = data;
  const char *zone = *bid->zone != '\0' ? bid->zone : NULL;
  g_autoptr (BbEc2Query) query
    = bb_ec2_api_describe_spot_prices (bid->type, bid->config->product_description, zone,
                                       g_get_real_time () / G_USEC_PER_SEC);

  bb_ec2_client_list_async (bb_ec2_account_get_client (account), query, bb_ec2_api_parse_spot_prices, g_free,
                            BB_EC2_CALL_PATIENT, g_task_get_cancellable (task), prices_listed_cb, task);
}

double
bb_ec2_prepare_compute_bid (const BbEc2Config *config, double mean, gboolean *capped)
{
  double bid = mean < 0 ? BID_WITHOUT_PRICES : mean * config->price_multiplier;

  *capped = FALSE;
  if (config->price_multiplier == 0)
    return config->max_spot_price;
  if (config->max_spot_price > 0 && bid > config->max_spot_price)
    {
      *capped = TRUE;
      return config->max_spot_price;
    }
  return bid;
}

static void
return_bid (GTask *task, double mean)
{
  const Bid *data = g_task_get_task_data (task);
  gboolean capped = FALSE;
  double bid = bb_ec2_prepare_compute_bid (data->config, mean, &capped);

  if (capped)
    bb_log_slave (G_LOG_LEVEL_MESSAGE, data->slave_name,
                  "ec2: the bid for %s is lowered to max_spot_price, $%g: the last day's mean was $%g", data->type, bid,
                  mean);
  g_task_return_pointer (task, g_memdup2 (&bid, sizeof bid), g_free);
}

static void
mean_price_known_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *mean = bb_ec2_account_share_finish (BB_EC2_ACCOUNT (source), result, &error);

  if (mean == NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    return_bid (task, g_ascii_strtod (mean, NULL));
}

void
bb_ec2_prepare_bid_async (BbEc2Account *account, const BbEc2Config *config, const char *slave_name, const char *type,
                          const char *zone, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (account, cancellable, callback, user_data);
  g_autofree char *key = g_strdup_printf ("price\n%s\n%s\n%s", type, config->product_description, zone);
  Bid *bid = g_new0 (Bid, 1);

  g_task_set_source_tag (task, bb_ec2_prepare_bid_async);
  bid->config = config;
  bid->slave_name = g_strdup (slave_name);
  bid->type = g_strdup (type);
  bid->zone = g_strdup (zone);
  g_task_set_task_data (task, bid, bid_free);
  if (config->price_multiplier == 0)
    return_bid (task, -1);
  else
    bb_ec2_account_share_async (account, key, PRICES_LIFETIME, fetch_mean_price, bid, cancellable, mean_price_known_cb,
                                g_steal_pointer (&task));
}

double
bb_ec2_prepare_bid_finish (BbEc2Account *account, GAsyncResult *result, GError **error)
{
  g_autofree double *bid = NULL;

  g_return_val_if_fail (g_task_is_valid (result, account), -1);

  bid = g_task_propagate_pointer (G_TASK (result), error);
  return bid != NULL ? *bid : -1;
}
