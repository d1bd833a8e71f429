/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-start.h"

#include "bb-libvirt-document.h"
#include "bb-libvirt-domain.h"
#include "bb-libvirt-files.h"
#include "bb-libvirt-images.h"
#include "bb-libvirt-look.h"

#include <string.h>

/* Seconds that libvirt may take for one step. */
#define LOOK_LIMIT 60.0
#define MAKE_LIMIT 180.0
#define COPY_LIMIT 1800.0
#define CREATE_LIMIT 180.0

/* libvirt 9.0 hands these to QEMU as they are escaped in XML, and the comma ends the path there. */
#define FWCFG_SPOILS "&<>'\","

typedef struct
{
  BbInstanceRequest *request; /* owned */
  const BbLibvirtConfig *config;
  char *hd_image;   /* NULL: not given */
  char *base_image; /* NULL: hd_image is used as it is */
  char *format;     /* of base_image */
  char *user_data;
  char *uuid;
  char *id;
  char *console;
  char *address;
  char *password_file; /* NULL: none */
  char *seed_file;     /* NULL: none */
  GPtrArray *resources;
  guint n_recorded;
  BbLibvirtDocument *document;
  BbLibvirtIdentity identity; /* borrows from the others */
} Start;

static void
start_free (gpointer data)
{
  Start *start = data;

  g_object_unref (start->request);
  g_ptr_array_unref (start->resources);
  g_clear_pointer (&start->document, bb_libvirt_document_free);
  g_free (start->hd_image);
  g_free (start->base_image);
  g_free (start->format);
  g_free (start->user_data);
  g_free (start->uuid);
  g_free (start->id);
  g_free (start->console);
  g_free (start->address);
  g_free (start->password_file);
  g_free (start->seed_file);
  g_free (start);
}

char *
bb_libvirt_make_id (const char *uuid, gboolean persistent, const char *token)
{
  return persistent ? g_strconcat (uuid, "/", token, NULL) : g_strdup (uuid);
}

char *
bb_libvirt_parse_id (const char *id)
{
  return id != NULL && *id != '\0' ? g_strndup (id, strcspn (id, "/")) : NULL;
}

/* @error: (transfer full) */
static void
fail (GTask *task, GError *error)
{
  Start *start = g_task_get_task_data (task);

  if (error->domain == BB_ERROR)
    g_prefix_error (&error, "slave %s: libvirt: ", bb_instance_request_get_slave_name (start->request));
  g_task_return_error (task, error);
}

static const char *
get_tag (BbInstanceRequest *request, const char *name)
{
  const char *value = "";

  g_variant_lookup (bb_instance_request_get_tags (request), name, "&s", &value);
  return value;
}

/* 6. Done. */

static void
return_instance (GTask *task)
{
  Start *start = g_task_get_task_data (task);
  const char *name = bb_instance_request_get_slave_name (start->request);
  BbInstance *instance = bb_instance_new (start->id, bb_instance_request_get_token (start->request));

  bb_instance_set_state (instance, BB_INSTANCE_ALIVE, NULL);
  bb_instance_set_slave_name (instance, name);
  g_ptr_array_add (start->resources, NULL);
  bb_instance_set_resources (instance, (const char *const *) start->resources->pdata);
  g_task_return_pointer (task, instance, (GDestroyNotify) bb_instance_unref);
}

static void
remove_password_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Start *start = task_data;

  bb_libvirt_files_remove (start->password_file, NULL);
  g_task_return_boolean (task, TRUE);
}

static void
password_removed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  return_instance (task);
}

static void
run_in_thread (GTask *task, GTaskThreadFunc func, GAsyncReadyCallback callback)
{
  g_autoptr (GTask) thread = g_task_new (NULL, NULL, callback, task);

  g_task_set_task_data (thread, g_task_get_task_data (task), NULL);
  g_task_run_in_thread (thread, func);
}

/* 5. Create. */

static gboolean
create_thread (virConnectPtr connection, gpointer data, GError **error)
{
  return bb_libvirt_domain_create (connection, data, error);
}

static void
created_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (bb_libvirt_connection_call_finish (BB_LIBVIRT_CONNECTION (source), result, &error) == NULL)
    {
      fail (task, g_steal_pointer (&error));
      return;
    }
  bb_log_slave (G_LOG_LEVEL_INFO, bb_instance_request_get_slave_name (start->request),
                "libvirt: domain started%s%s", start->console != NULL ? "; its console goes to " : "",
                start->console != NULL ? start->console : "");
  /* QEMU has read it. */
  if (start->password_file != NULL)
    run_in_thread (g_steal_pointer (&task), remove_password_thread, password_removed_cb);
  else
    return_instance (task);
}

static void
forget_secret (gpointer data)
{
  char *xml = data;

  memset (xml, 0, strlen (xml));
  g_free (xml);
}

static void
create (GTask *task)
{
  Start *start = g_task_get_task_data (task);

  /* From here on it can't be taken back, and so it is not cancelled: its instance is returned. */
  if (g_task_return_error_if_cancelled (task))
    {
      g_object_unref (task);
      return;
    }
  bb_libvirt_connection_call_async (g_task_get_source_object (task), create_thread,
                                    bb_libvirt_document_to_string (start->document), forget_secret, CREATE_LIMIT, NULL,
                                    created_cb, task);
}

/* 4. Make the files. */

static void
made_remotely_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (bb_libvirt_connection_call_finish (BB_LIBVIRT_CONNECTION (source), result, &error) == NULL)
    fail (task, g_steal_pointer (&error));
  else
    create (g_steal_pointer (&task));
}

static GBytes *
make_seed (Start *start, GError **error)
{
  return bb_libvirt_files_make_seed (&start->identity, bb_instance_request_get_token (start->request),
                                     start->user_data, error);
}

static gboolean
is_local (Start *start)
{
  return bb_libvirt_uri_is_local (bb_libvirt_config_get_uri (start->config));
}

/* What the hypervisor itself is to make, after what this machine has made. */
static void
make_remotely (GTask *task)
{
  Start *start = g_task_get_task_data (task);
  g_autoptr (BbLibvirtConnection) connection = NULL;
  BbLibvirtMake *make = g_new0 (BbLibvirtMake, 1);
  gboolean copies;
  GError *error = NULL;

  if (start->seed_file != NULL && !is_local (start))
    {
      make->seed_file = g_strdup (start->seed_file);
      make->seed = make_seed (start, &error);
    }
  if (error != NULL)
    {
      bb_libvirt_make_free (make);
      fail (task, error);
      g_object_unref (task);
      return;
    }
  if (start->base_image != NULL && !bb_libvirt_config_clones_locally (start->config))
    {
      make->base_image = g_strdup (start->base_image);
      make->hd_image = g_strdup (start->hd_image);
      make->format = g_strdup (start->format);
      make->overlay = start->config->cheap_copy;
    }
  if (make->base_image == NULL && make->seed_file == NULL)
    {
      bb_libvirt_make_free (make);
      create (task);
      return;
    }
  copies = make->base_image != NULL && !make->overlay;
  connection = copies ? bb_libvirt_connection_get_for_copies (bb_libvirt_config_get_uri (start->config))
                      : g_object_ref (g_task_get_source_object (task));
  bb_libvirt_connection_call_async (connection, bb_libvirt_make, make, bb_libvirt_make_free,
                                    copies ? COPY_LIMIT : MAKE_LIMIT, g_task_get_cancellable (task), made_remotely_cb,
                                    task);
}

static void
cloned_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (bb_libvirt_files_clone_finish (result, &error))
    make_remotely (g_steal_pointer (&task));
  else
    fail (task, g_steal_pointer (&error));
}

static void
write_files_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Start *start = task_data;
  const char *group = start->config->hand_over_group;
  g_autoptr (GBytes) seed = NULL;
  GError *error = NULL;

  if (start->password_file != NULL)
    {
      g_autoptr (GBytes) password
        = g_bytes_new (start->identity.password, strlen (start->identity.password));

      bb_libvirt_files_write_secret (start->password_file, password, group, &error);
    }
  if (error == NULL && start->seed_file != NULL && is_local (start))
    {
      seed = make_seed (start, &error);
      if (seed != NULL)
        bb_libvirt_files_write_secret (start->seed_file, seed, group, &error);
    }
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
files_written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  GError *error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    fail (task, error);
  else if (start->base_image != NULL && bb_libvirt_config_clones_locally (start->config))
    bb_libvirt_files_clone_async (start->base_image, start->hd_image, start->format, start->config->cheap_copy,
                                  g_task_get_cancellable (task), cloned_cb, g_object_ref (task));
  else
    make_remotely (g_object_ref (task));
}

/* 3. Record all that is going to be made. */

static void record_next (GTask *task);

static void
recorded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  GError *error = NULL;

  if (!bb_instance_request_record_finish (start->request, result, &error))
    g_task_return_error (task, error);
  else if (!g_task_return_error_if_cancelled (task))
    record_next (g_steal_pointer (&task));
}

static void
record_next (GTask *task)
{
  Start *start = g_task_get_task_data (task);

  if (start->n_recorded < start->resources->len)
    bb_instance_request_record_async (start->request, start->resources->pdata[start->n_recorded++],
                                      g_task_get_cancellable (task), recorded_cb, task);
  else
    run_in_thread (task, write_files_thread, files_written_cb);
}

static void
add_resource (Start *start, gboolean local, const char *path)
{
  g_ptr_array_add (start->resources,
                   g_strconcat (local ? BB_LIBVIRT_FILE_RESOURCE : BB_LIBVIRT_VOLUME_RESOURCE, path, NULL));
}

static void
hand_over (Start *start)
{
  BbLibvirtHandOver ways = bb_libvirt_config_get_hand_over (start->config);

  if (ways & BB_LIBVIRT_HAND_OVER_METADATA)
    bb_libvirt_document_set_auth (start->document, &start->identity);
  if (ways & BB_LIBVIRT_HAND_OVER_FWCFG)
    bb_libvirt_document_add_fwcfg (start->document, &start->identity, start->password_file);
  if (ways & BB_LIBVIRT_HAND_OVER_FWCFG_INLINE)
    bb_libvirt_document_add_fwcfg (start->document, &start->identity, NULL);
  if (ways & BB_LIBVIRT_HAND_OVER_NOCLOUD)
    bb_libvirt_document_add_seed (start->document, start->seed_file);
  if (ways & BB_LIBVIRT_HAND_OVER_SMBIOS)
    bb_libvirt_document_add_smbios (start->document, &start->identity);
  if (ways & BB_LIBVIRT_HAND_OVER_CMDLINE)
    bb_libvirt_document_add_cmdline (start->document, &start->identity);
}

/* The folder of hd_image is one that QEMU can enter; ours perhaps not. @not_in: characters that the path must not have. */
static char *
make_file_name (Start *start, const char *suffix, const char *not_in)
{
  const char *token = bb_instance_request_get_token (start->request);
  const char *folder = start->config->hand_over_directory;
  g_autofree char *hd_folder = start->hd_image != NULL ? g_path_get_dirname (start->hd_image) : NULL;
  g_autofree char *name = g_strconcat ("bbhost-", token, suffix, NULL);

  g_strdelimit (name, "/", '_');
  if (folder == NULL)
    folder = hd_folder;
  if (folder == NULL || strpbrk (folder, not_in) != NULL)
    folder = bb_instance_request_get_state_directory (start->request);
  return g_build_filename (folder, name, NULL);
}

static void
plan_files (Start *start)
{
  BbLibvirtHandOver ways = bb_libvirt_config_get_hand_over (start->config);
  const char *name = bb_instance_request_get_slave_name (start->request);
  g_auto (GStrv) transient = bb_libvirt_document_list_transient (start->document, name);

  if (ways & BB_LIBVIRT_HAND_OVER_FWCFG)
    {
      start->password_file = make_file_name (start, ".password", FWCFG_SPOILS);
      add_resource (start, TRUE, start->password_file);
    }
  if (start->seed_file != NULL)
    add_resource (start, is_local (start), start->seed_file);
  if (start->base_image != NULL)
    add_resource (start, bb_libvirt_config_clones_locally (start->config), start->hd_image);
  /* libvirt makes and removes these, unless it dies together with its QEMU; then they are in the next start's way. */
  for (char **path = transient; *path != NULL; path++)
    add_resource (start, is_local (start), *path);
}

static void
put_mark (Start *start)
{
  g_autoptr (GPtrArray) resources = g_ptr_array_new ();
  BbLibvirtMark mark = {
    .host = (char *) get_tag (start->request, "bbhost:host"),
    .store = (char *) get_tag (start->request, "bbhost:store"),
    .token = (char *) bb_instance_request_get_token (start->request),
    .slave = (char *) bb_instance_request_get_slave_name (start->request),
  };

  for (guint i = 0; i < start->resources->len; i++)
    g_ptr_array_add (resources, start->resources->pdata[i]);
  g_ptr_array_add (resources, NULL);
  mark.resources = (char **) resources->pdata;
  bb_libvirt_document_set_mark (start->document, &mark);
}

/* 2. Prepare: what the images are, and whether the domain uses them. */

static void
prepared_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  BbLibvirtPrepare *prepare = bb_libvirt_connection_call_finish (BB_LIBVIRT_CONNECTION (source), result, &error);

  if (prepare == NULL)
    {
      fail (task, g_steal_pointer (&error));
      return;
    }
  start->document = g_steal_pointer (&prepare->document);
  start->format = g_steal_pointer (&prepare->format);
  start->console = bb_libvirt_document_get_console (start->document);
  plan_files (start);
  put_mark (start);
  hand_over (start);
  record_next (g_steal_pointer (&task));
}

static char **
list_volumes (Start *start)
{
  g_autoptr (GStrvBuilder) volumes = g_strv_builder_new ();

  if (start->seed_file != NULL && !is_local (start))
    g_strv_builder_add (volumes, start->seed_file);
  if (start->base_image != NULL && !bb_libvirt_config_clones_locally (start->config))
    g_strv_builder_add (volumes, start->hd_image);
  return g_strv_builder_end (volumes);
}

static void
prepare (GTask *task, BbLibvirtDocument *document)
{
  Start *start = g_task_get_task_data (task);
  BbLibvirtPrepare *data = g_new0 (BbLibvirtPrepare, 1);

  if (bb_libvirt_config_get_hand_over (start->config) & BB_LIBVIRT_HAND_OVER_NOCLOUD)
    start->seed_file = make_file_name (start, ".iso", "");

  data->base_image = g_strdup (start->base_image);
  data->hd_image = g_strdup (start->hd_image);
  data->format = g_strdup (start->config->base_format);
  data->overlay = start->config->cheap_copy;
  data->locally = bb_libvirt_config_clones_locally (start->config);
  data->is_local = is_local (start);
  data->document = document;
  data->leftovers
    = bb_libvirt_document_list_transient (document, bb_instance_request_get_slave_name (start->request));
  data->volumes = list_volumes (start);
  bb_libvirt_connection_call_async (g_task_get_source_object (task), bb_libvirt_prepare, data, bb_libvirt_prepare_free,
                                    LOOK_LIMIT, g_task_get_cancellable (task), prepared_cb, task);
}

static char *
fill_in (const char *text, gpointer user_data, GError **error)
{
  return bb_instance_request_interpolate (user_data, text, error);
}

/* The definition under our name, and the user data, filled in. */
static BbLibvirtDocument *
make_document (Start *start, BbLibvirtLook *look, GError **error)
{
  const char *text = look->xml != NULL ? look->xml : start->config->xml;
  g_autoptr (BbLibvirtDocument) document = bb_libvirt_document_new (text, error);
  const char *user_data = look->user_data != NULL ? look->user_data : start->config->user_data;

  if (document == NULL
      || (look->has_xml && !bb_libvirt_document_fill_in (document, fill_in, start->request, error)))
    {
      g_prefix_error (error, "%s: ", look->has_xml ? "xml" : "the definition");
      return NULL;
    }
  if (user_data != NULL)
    {
      start->user_data = bb_instance_request_interpolate (start->request, user_data, error);
      if (start->user_data == NULL)
        {
          g_prefix_error (error, "user_data: ");
          return NULL;
        }
    }
  bb_libvirt_document_set_name (document, look->name);
  bb_libvirt_document_set_uuid (document, start->uuid);
  return g_steal_pointer (&document);
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  BbLibvirtLook *look = bb_libvirt_connection_call_finish (BB_LIBVIRT_CONNECTION (source), result, &error);
  BbLibvirtDocument *document;

  if (look == NULL)
    {
      fail (task, g_steal_pointer (&error));
      return;
    }
  /* The token is a UUID: a second domain for the same row can't be made. */
  if (look->persistent || look->runs_already)
    start->uuid = g_strdup (look->uuid);
  else
    start->uuid = g_uuid_string_is_valid (look->token) ? g_strdup (look->token) : g_uuid_string_random ();
  start->id = bb_libvirt_make_id (start->uuid, look->persistent, look->token);
  if (look->runs_already)
    {
      return_instance (task);
      return;
    }
  document = make_document (start, look, &error);
  if (document == NULL)
    fail (task, g_steal_pointer (&error));
  else
    prepare (g_steal_pointer (&task), document);
}

static gboolean
interpolate_option (BbInstanceRequest *request, const char *key, const char *text, char **value, GError **error)
{
  g_autofree char *filled = NULL;

  if (text == NULL)
    return TRUE;
  filled = bb_instance_request_interpolate (request, text, error);
  if (filled == NULL)
    {
      g_prefix_error (error, "%s: ", key);
      return FALSE;
    }
  *value = g_canonicalize_filename (filled, "/");
  return TRUE;
}

static gboolean
is_wildcard (const char *host)
{
  return *host == '\0' || g_str_equal (host, "0.0.0.0") || g_str_equal (host, "::") || g_str_equal (host, "*");
}

static const char *
get_scheme (BbInstanceRequest *request)
{
  gboolean tls = bb_instance_request_get_tls (request);

  if (g_str_equal (bb_instance_request_get_protocol (request), "msgpack"))
    return tls ? "wss://" : "ws://";
  return tls ? "tls://" : "";
}

static void
set_identity (Start *start)
{
  const char *host = start->config->master_fqdn;
  if (host == NULL)
    host = bb_instance_request_get_master_host (start->request);
  if (is_wildcard (host))
    host = g_get_host_name ();
  start->identity.name = bb_instance_request_get_slave_name (start->request);
  start->identity.password = bb_instance_request_get_password (start->request);
  start->identity.host = host;
  start->identity.port = bb_instance_request_get_master_port (start->request);
  start->address = g_strdup_printf (strchr (host, ':') != NULL ? "%s[%s]:%u" : "%s%s:%u", get_scheme (start->request),
                                    host, start->identity.port);
  start->identity.address = start->address;
}

void
bb_libvirt_start_async (BbLibvirtConnection *connection, const BbLibvirtConfig *config, BbInstanceRequest *request,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (connection, cancellable, callback, user_data);
  Start *start = g_new0 (Start, 1);
  GError *error = NULL;
  BbLibvirtLook *look;

  g_task_set_source_tag (task, bb_libvirt_start_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, start, start_free);
  start->request = g_object_ref (request);
  start->config = config;
  start->resources = g_ptr_array_new_with_free_func (g_free);
  if (g_task_return_error_if_cancelled (task))
    return;
  if (!interpolate_option (request, "hd_image", config->hd_image, &start->hd_image, &error)
      || !interpolate_option (request, "base_image", config->base_image, &start->base_image, &error))
    {
      fail (task, error);
      return;
    }
  set_identity (start);
  look = g_new0 (BbLibvirtLook, 1);
  look->uri = g_strdup (bb_libvirt_connection_get_uri (connection));
  look->name = g_strdup (bb_instance_request_get_slave_name (request));
  look->token = g_strdup (bb_instance_request_get_token (request));
  look->store = g_strdup (get_tag (request, "bbhost:store"));
  look->has_xml = bb_libvirt_config_has_xml (config);
  look->xml_file = config->xml == NULL ? g_strdup (config->xml_file) : NULL;
  look->user_data_file = config->user_data == NULL ? g_strdup (config->user_data_file) : NULL;
  bb_libvirt_connection_call_async (connection, bb_libvirt_look, look, bb_libvirt_look_free, LOOK_LIMIT, cancellable, looked_cb,
                                    g_steal_pointer (&task));
}

BbInstance *
bb_libvirt_start_finish (BbLibvirtConnection *connection, GAsyncResult *result, char **console, GError **error)
{
  Start *start;

  g_return_val_if_fail (g_task_is_valid (result, connection), NULL);

  start = g_task_get_task_data (G_TASK (result));
  *console = g_steal_pointer (&start->console);
  return g_task_propagate_pointer (G_TASK (result), error);
}
