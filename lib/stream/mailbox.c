#include "stream/mailbox.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum mr_status mr_mailbox_open(struct mr_mailbox *box, struct mr_error *err)
{
    *box = (struct mr_mailbox){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    if (box->fd < 0) {
        return mr_error_set(err, MR_CLASS_RETRY, errno, "cannot make an event descriptor: %m");
    }
    pthread_mutex_init(&box->lock, NULL);
    return MR_OK;
}

void mr_mailbox_close(struct mr_mailbox *box)
{
    close(box->fd);
    pthread_mutex_destroy(&box->lock);
}

void mr_mailbox_wake(struct mr_mailbox *box)
{
    uint64_t one = 1;
    ssize_t n = write(box->fd, &one, sizeof one);
    (void)n; /* it can only fail when the counter is full, and then the descriptor is readable */
}

/* Ends what was begun by locking: only the first post since the last take pays for a wake-up. */
static void posted(struct mr_mailbox *box)
{
    bool wake = !box->woken;
    box->woken = true;
    pthread_mutex_unlock(&box->lock);
    if (wake) {
        mr_mailbox_wake(box);
    }
}

static void append(struct mr_item **first, struct mr_item **end, struct mr_item *item)
{
    item->next = NULL;
    *(*end ? &(*end)->next : first) = item;
    *end = item;
}

void mr_mailbox_task(struct mr_mailbox *box, struct mr_task *task)
{
    pthread_mutex_lock(&box->lock);
    task->next = NULL;
    *(box->mail.tasks_end ? &box->mail.tasks_end->next : &box->mail.tasks) = task;
    box->mail.tasks_end = task;
    posted(box);
}

void mr_mailbox_sent(struct mr_mailbox *box, struct mr_item *item)
{
    pthread_mutex_lock(&box->lock);
    append(&box->mail.sent, &box->mail.sent_end, item);
    posted(box);
}

void mr_mailbox_told(struct mr_mailbox *box, struct mr_item *item)
{
    pthread_mutex_lock(&box->lock);
    append(&box->mail.told, &box->mail.told_end, item);
    posted(box);
}

void mr_mailbox_probed(struct mr_mailbox *box, enum mr_status status, const struct mr_error *err)
{
    pthread_mutex_lock(&box->lock);
    box->mail.probed = true;
    box->mail.probe = status == MR_OK ? (struct mr_error){0} : *err;
    posted(box);
}

bool mr_mailbox_take(struct mr_mailbox *box, struct mr_mail *out)
{
    pthread_mutex_lock(&box->lock);
    *out = box->mail;
    box->mail = (struct mr_mail){0};
    box->woken = false;
    pthread_mutex_unlock(&box->lock);
    return out->tasks || out->sent || out->told || out->probed;
}
