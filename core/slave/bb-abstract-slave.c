/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-abstract-slave-private.h"

#include "bb-option-struct.h"

/* A configuration struct and how it is freed. */
typedef struct
{
  const BbOption *options;
  gpointer config;
} OwnedConfig;

typedef struct
{
  char *name;
  BbSlaveSettings *settings;
  gconstpointer config;
  /* What take_config() was given, newest first. The older ones stay until the slave goes, as a call of the backend
   * that is under way, and holds the slave, may still read them; a reload that changes a slave thus costs its
   * struct. */
  GSList *owned_configs; /* of OwnedConfig */
  gpointer record;       /* not owned */
} BbAbstractSlavePrivate;

enum
{
  PROP_NAME = 1,
  PROP_SETTINGS,
  PROP_CONFIG,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

static void bb_abstract_slave_slave_iface_init (BbSlaveInterface *iface);

G_DEFINE_ABSTRACT_TYPE_WITH_CODE (BbAbstractSlave, bb_abstract_slave, G_TYPE_OBJECT,
                                  G_ADD_PRIVATE (BbAbstractSlave)
                                  G_IMPLEMENT_INTERFACE (BB_TYPE_SLAVE, bb_abstract_slave_slave_iface_init))

static BbAbstractSlavePrivate *
get_private (BbSlave *self)
{
  return bb_abstract_slave_get_instance_private (BB_ABSTRACT_SLAVE (self));
}

static void
owned_config_free (gpointer data)
{
  OwnedConfig *owned = data;

  bb_option_struct_free (owned->options, owned->config);
  g_free (owned);
}

static const char *
bb_abstract_slave_get_name (BbSlave *slave)
{
  return get_private (slave)->name;
}

static gconstpointer
bb_abstract_slave_get_config (BbSlave *slave)
{
  return get_private (slave)->config;
}

static void
bb_abstract_slave_slave_iface_init (BbSlaveInterface *iface)
{
  iface->get_name = bb_abstract_slave_get_name;
  iface->get_config = bb_abstract_slave_get_config;
}

static void
bb_abstract_slave_get_property (GObject *object, guint property_id, GValue *value, GParamSpec *pspec)
{
  BbAbstractSlavePrivate *priv = get_private (BB_SLAVE (object));

  switch (property_id)
    {
    case PROP_NAME:
      g_value_set_string (value, priv->name);
      break;
    case PROP_SETTINGS:
      g_value_set_boxed (value, priv->settings);
      break;
    case PROP_CONFIG:
      g_value_set_pointer (value, (gpointer) priv->config);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property_id, pspec);
    }
}

static void
bb_abstract_slave_set_property (GObject *object, guint property_id, const GValue *value, GParamSpec *pspec)
{
  BbAbstractSlavePrivate *priv = get_private (BB_SLAVE (object));

  switch (property_id)
    {
    case PROP_NAME:
      priv->name = g_value_dup_string (value);
      break;
    case PROP_SETTINGS:
      g_clear_pointer (&priv->settings, bb_slave_settings_unref);
      priv->settings = g_value_dup_boxed (value);
      break;
    case PROP_CONFIG:
      if (priv->config == g_value_get_pointer (value))
        break;
      priv->config = g_value_get_pointer (value);
      g_object_notify_by_pspec (object, pspec);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property_id, pspec);
    }
}

static void
bb_abstract_slave_finalize (GObject *object)
{
  BbAbstractSlavePrivate *priv = get_private (BB_SLAVE (object));

  g_free (priv->name);
  g_clear_pointer (&priv->settings, bb_slave_settings_unref);
  g_slist_free_full (priv->owned_configs, owned_config_free);
  G_OBJECT_CLASS (bb_abstract_slave_parent_class)->finalize (object);
}

static void
bb_abstract_slave_class_init (BbAbstractSlaveClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags changing = G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

  object_class->get_property = bb_abstract_slave_get_property;
  object_class->set_property = bb_abstract_slave_set_property;
  object_class->finalize = bb_abstract_slave_finalize;

  /**
   * BbAbstractSlave:name:
   *
   * The name that it logs in under.
   */
  props[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL,
                                          G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * BbAbstractSlave:settings: (skip)
   *
   * What all slaves can be configured with; core's, and of no use to a plugin.
   */
  props[PROP_SETTINGS] = g_param_spec_boxed ("settings", NULL, NULL, BB_TYPE_SLAVE_SETTINGS, changing);
  /**
   * BbAbstractSlave:config: (skip)
   *
   * The struct that the option table of the slave's type fills, or %NULL for a static slave. Borrowed: whoever
   * sets it keeps it until the slave is finalised. It is replaced by a reload, so a function that goes on later
   * asks bb_slave_get_config() again or uses what it was given at first; either stays valid while it holds the slave.
   */
  props[PROP_CONFIG] = g_param_spec_pointer ("config", NULL, NULL, changing);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
bb_abstract_slave_init (BbAbstractSlave *self)
{
}

BbSlaveSettings *
bb_slave_get_settings (BbSlave *self)
{
  g_return_val_if_fail (BB_IS_ABSTRACT_SLAVE (self), NULL);

  return get_private (self)->settings;
}

void
bb_abstract_slave_take_config (BbSlave *self, const BbOption *options, gpointer config)
{
  BbAbstractSlavePrivate *priv = get_private (self);
  OwnedConfig *owned = g_new (OwnedConfig, 1);

  owned->options = options;
  owned->config = config;
  priv->owned_configs = g_slist_prepend (priv->owned_configs, owned);
  g_object_set (self, "config", config, NULL);
}

gpointer
bb_abstract_slave_get_record (BbSlave *self)
{
  g_return_val_if_fail (BB_IS_ABSTRACT_SLAVE (self), NULL);

  return get_private (self)->record;
}

void
bb_abstract_slave_set_record (BbSlave *self, gpointer record)
{
  get_private (self)->record = record;
}
