/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-local-target.h"

#include <string.h>

void
bb_local_target_clear (BbLocalTarget *self)
{
  g_free (self->id);
  g_free (self->token);
  g_free (self->folder);
}

/* It will be removed with all that is in it: so only one that is named like the instance. */
void
bb_local_target_set_folder (BbLocalTarget *self, const char *path)
{
  g_autofree char *name = path != NULL ? g_path_get_basename (path) : NULL;

  if (self->folder == NULL && name != NULL && g_path_is_absolute (path) && g_strcmp0 (name, self->token) == 0)
    self->folder = g_strdup (path);
}

void
bb_local_target_init (BbLocalTarget *self, BbInstance *instance)
{
  const char *const *resources = bb_instance_get_resources (instance);

  self->id = g_strdup (bb_instance_get_id (instance));
  self->token = g_strdup (bb_instance_get_token (instance));
  for (; *resources != NULL; resources++)
    if (g_str_has_prefix (*resources, BB_LOCAL_FOLDER_RESOURCE))
      bb_local_target_set_folder (self, *resources + strlen (BB_LOCAL_FOLDER_RESOURCE));
}

GPtrArray *
bb_local_target_list_processes (const BbLocalTarget *self, GError **error)
{
  GPtrArray *processes = bb_local_process_list (error);
  gboolean session_is_known = FALSE;
  pid_t session = 0;
  guint64 start = 0;

  if (processes == NULL)
    return NULL;
  if (bb_local_process_parse_id (self->id, &session, &start))
    for (guint i = 0; i < processes->len && !session_is_known; i++)
      {
        const BbLocalProcess *process = g_ptr_array_index (processes, i);

        session_is_known = process->pid == session && process->start == start;
      }
  for (guint i = processes->len; i > 0; i--)
    {
      const BbLocalProcess *process = g_ptr_array_index (processes, i - 1);

      if (self->token != NULL && g_strcmp0 (process->token, self->token) == 0)
        continue;
      if (!session_is_known || process->session != session)
        g_ptr_array_remove_index_fast (processes, i - 1);
    }
  return processes;
}
