"""Regularizers: classes that act on up to five places, and say which by the methods that they have::

    data       change_batch(inputs, targets, generator)  augment a training batch, drawing from ``generator``
    model      change_model(model)                       insert into the new model or wrap it; return it
    loss       change_loss(loss, task)                   return the loss to train with (``tasks.Loss``)
    optimizer  change_optimizer(optimizer, model)        hook it or edit its groups; return it
    loop       training_began(epochs)                    look at the plan
               epoch_ended(epoch, metrics, model)        return a reason to stop, or None
               training_ended(model)                     change the final weights; return their epoch, or None

One with ``state_dict`` and ``load_state_dict`` is resumed with the run. A new one is two files: the class,
and ``conf/regularizer/<name>.yaml`` with its own key on top. Order does not matter: they act sorted by key,
each with random numbers of its own. One that would change nothing raises ConfigError with its full key.
"""

from sweeper.trial.regularizers.seam import Regularizers, build_regularizers

__all__ = ["Regularizers", "build_regularizers"]
