/** @jsxImportSource hono/jsx */
import type { Failure } from '../../core/failure.ts'
import type { WebhookDelivery } from '../../core/webhook/webhookDeliveries.ts'
import type { Webhook, WebhookDraft } from '../../core/webhook/webhookEndpoint.ts'
import type { WebhookEventType } from '../../core/webhook/webhookEvent.ts'
import { sentence } from '../failurePage.tsx'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Check, Field, PostButton, PostForm, Trouble } from '../parts/form.tsx'
import { Code, Head, Note, Panel } from '../parts/panel.tsx'
import { Facts, Pager, Table } from '../parts/table.tsx'
import { Ago, Text, Texts } from '../parts/text.tsx'
import { moveOn } from '../told.ts'

/** What each event tells; the compiler holds the names against the core's. */
const events = {
  requested: 'an order waits for people',
  decided: 'people or a rule have decided',
  issued: 'a certificate is issued',
  revoked: 'a certificate is revoked',
  released: 'a hold is lifted',
  expiring: 'a certificate is about to end',
  failed: 'an order has failed',
} as const satisfies Record<WebhookEventType, string>

const home = '/console/webhooks'

async function webhookList(visit: Visit, failure?: Failure): Promise<Shown> {
  const rows = await visit.door.webhooks.list()
  const values = visit.form.values()
  const body = (
    <>
      <Head
        title="Webhooks"
        about="Systems elsewhere that are told what happens, each message signed, and ticket systems that decide."
      />
      {failure && <Trouble detail={sentence(failure.detail)} />}
      <Table<Webhook>
        caption="Webhooks"
        rows={rows}
        empty="Nobody is told anything yet."
        columns={[
          {
            head: 'Name',
            names: true,
            cell: ({ uuid, name }) => (
              <a href={`${home}/${uuid}`}>
                <Text value={name} />
              </a>
            ),
          },
          {
            head: 'State',
            cell: ({ enabled, failures }) => (
              <Badge status={failures > 0 ? 'fail' : enabled ? 'enabled' : 'disabled'} />
            ),
          },
          { head: 'Address', cell: ({ url }) => <Text value={url ?? 'none: it only decides'} most={80} /> },
          { head: 'Is told of', cell: (row) => <Texts values={row.events} most={7} /> },
          { head: 'Pending', right: true, cell: ({ pending }) => pending },
        ]}
      />
      <Panel title="New webhook">
        <PostForm visit={visit} to={home}>
          <Field name="name" label="Name" value={values.name} required maxlength={100} />
          <Field
            name="url"
            label="Address"
            type="url"
            value={values.url}
            hint="https, or http within your own networks. Empty: it only decides."
            maxlength={2000}
          />
          <fieldset>
            <legend>Tell it when</legend>
            {Object.entries(events).map(([value, label]) => (
              <Check name="events" value={value} label={label} checked={visit.form.all('events').includes(value)} />
            ))}
          </fieldset>
          <Field
            name="decidesAs"
            label="Decides as the new user"
            value={values.decidesAs}
            maxlength={99}
            hint="For ticket systems: the decisions that it signs are this user’s votes. Empty: it decides nothing."
          />
          <button type="submit" class="primary">
            Add the webhook
          </button>
        </PostForm>
      </Panel>
    </>
  )
  return { title: 'Webhooks', section: 'webhooks', body }
}

async function add(visit: Visit): Promise<Shown> {
  const { door, form } = visit
  const [url, decidesAs] = [form.text('url', 2000), form.text('decidesAs', 99)]
  const made = await door.webhooks.add({
    name: form.need('name', 'the name', 100),
    events: form.all('events', 20) as WebhookDraft['events'],
    ...(url === undefined ? {} : { url }),
    ...(decidesAs === undefined ? {} : { decidesAs }),
  })
  return secretPage(made.name, made.uuid, [
    ['Signs what it is sent', made.secret],
    ...(made.inboundSecret === undefined ? [] : [['Signs what it decides', made.inboundSecret] as const]),
  ])
}

function secretPage(name: string, uuid: string, secrets: readonly (readonly [string, string])[]): Shown {
  const body = (
    <>
      <Head title="Secrets of the webhook" about={<Text value={name} />} />
      <Note tone="warn">
        <p>Copy them now: they are shown this once.</p>
      </Note>
      {secrets.map(([what, secret]) => (
        <Panel title={what}>
          <Code value={secret} label={what} />
        </Panel>
      ))}
      <p>
        <a href={`${home}/${uuid}`}>To the webhook</a>
      </p>
    </>
  )
  return { title: 'Secrets of the webhook', section: 'webhooks', body }
}

async function webhookPage(visit: Visit): Promise<Shown> {
  const { door, params, query, host } = visit
  const webhook = await door.webhooks.read(params.uuid ?? '')
  const after = Number(query.get('after'))
  const { deliveries, next } = await door.webhooks.deliveries(
    webhook.uuid,
    after > 0 && Number.isSafeInteger(after) ? { after } : {},
  )
  const now = host.clock()
  const path = `${home}/${webhook.uuid}`
  const body = (
    <>
      <Head title={<Text value={webhook.name} />} about="A webhook">
        <PostButton visit={visit} to={`${path}/ping`} label="Send a ping" />
        <PostButton visit={visit} to={`${path}/secret`} label="New secret" />
        <PostButton
          visit={visit}
          to={`${path}/switch`}
          label={webhook.enabled ? 'Disable' : 'Enable'}
          fields={{ enabled: String(!webhook.enabled) }}
        />
        <PostButton
          visit={visit}
          to={`${path}/remove`}
          label="Remove"
          kind="danger"
          ask="Remove the webhook with its messages?"
        />
      </Head>
      <Facts
        rows={[
          ['Address', <Text value={webhook.url ?? 'none: it only decides'} most={200} />],
          ['Is told of', webhook.events.map((event) => events[event]).join('; ') || 'nothing'],
          ['Profiles', webhook.profiles === null ? 'all' : <Texts values={webhook.profiles} />],
          ['Decides as', webhook.decidesAs ?? 'nobody'],
          ['Failed in a row', String(webhook.failures)],
          webhook.nextAttemptAt !== null && ['Next attempt', <Ago at={webhook.nextAttemptAt} now={now} />],
        ]}
      />
      <Panel title="Messages">
        <Table<WebhookDelivery>
          caption="Messages, the newest first"
          rows={deliveries}
          empty="No message yet. Send a ping to see whether it answers."
          columns={[
            { head: 'When', cell: ({ createdAt }) => <Ago at={createdAt} now={now} /> },
            { head: 'What', names: true, cell: ({ type }) => type },
            {
              head: 'State',
              cell: ({ status }) => (
                <Badge status={status} tone={status === 'delivered' ? 'good' : status === 'dead' ? 'bad' : 'wait'} />
              ),
            },
            { head: 'Attempts', right: true, cell: ({ attempts }) => attempts },
            { head: 'Last error', cell: ({ lastError }) => <Text value={lastError ?? ''} /> },
            {
              head: 'Do',
              cell: ({ uuid }) => (
                <PostButton visit={visit} to={`${path}/again`} label="Send again" fields={{ delivery: uuid }} />
              ),
            },
          ]}
        />
        <Pager path={path} query={query} next={next} />
      </Panel>
    </>
  )
  return { title: webhook.name, section: 'webhooks', body }
}

const pathOf = ({ params }: Visit) => `${home}/${params.uuid ?? ''}`

export const webhookPages = [
  page('/webhooks', (visit) => webhookList(visit)),
  action('/webhooks', add, { again: webhookList }),
  page('/webhooks/:uuid', webhookPage),
  action('/webhooks/:uuid/ping', async (visit) => {
    await visit.door.webhooks.ping(visit.params.uuid ?? '')
    return moveOn(visit, pathOf(visit), 'A ping is on its way.')
  }),
  action('/webhooks/:uuid/again', async (visit) => {
    await visit.door.webhooks.redeliver(visit.params.uuid ?? '', visit.form.need('delivery', 'the message', 100))
    return moveOn(visit, pathOf(visit), 'The message is sent again.')
  }),
  action('/webhooks/:uuid/secret', async (visit) => {
    const { name, uuid } = await visit.door.webhooks.read(visit.params.uuid ?? '')
    const { secret } = await visit.door.webhooks.rotateSecret(uuid, { which: 'outbound' })
    return secretPage(name, uuid, [['Signs what it is sent; the one before signs too for a day', secret]])
  }),
  action('/webhooks/:uuid/switch', async (visit) => {
    const enabled = visit.form.raw('enabled', 10) === 'true'
    await visit.door.webhooks.change(visit.params.uuid ?? '', { enabled })
    return moveOn(visit, pathOf(visit), enabled ? 'The webhook is enabled.' : 'The webhook is disabled.')
  }),
  action('/webhooks/:uuid/remove', async (visit) => {
    await visit.door.webhooks.remove(visit.params.uuid ?? '')
    return moveOn(visit, home, 'The webhook is removed.')
  }),
]
