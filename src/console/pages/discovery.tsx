/** @jsxImportSource hono/jsx */
import type { Discovery, DiscoveryPlace } from '../../core/discovery/discoveryView.ts'
import { Failure } from '../../core/failure.ts'
import { sentence } from '../failurePage.tsx'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Field, PostButton, PostForm, Trouble } from '../parts/form.tsx'
import { Head, Panel } from '../parts/panel.tsx'
import { Facts, Pager, Table } from '../parts/table.tsx'
import { Ago, Text, Texts } from '../parts/text.tsx'
import { moveOn } from '../told.ts'

const home = '/console/discovery'

async function discoveryList(visit: Visit, failure?: Failure): Promise<Shown> {
  const rows = await visit.door.discovery.list()
  const now = visit.host.clock()
  const values = visit.form.values()
  const body = (
    <>
      <Head
        title="Discovery"
        about="Certificates at servers and in files, that nobody here issued, or that nobody remembers."
      />
      {failure && <Trouble detail={sentence(failure.detail)} />}
      <div id="list" data-live>
        <Table<Discovery>
          caption="Discoveries"
          rows={rows}
          empty="Nothing is looked for yet. Say below where certificates may be."
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
              cell: ({ run, enabled }) => (
                <Badge
                  status={run?.running ? 'processing' : enabled ? 'enabled' : 'disabled'}
                  {...(run?.running ? { label: 'Looking' } : {})}
                />
              ),
            },
            { head: 'Where', cell: ({ targets }) => <Texts values={targets} /> },
            {
              head: 'Every',
              cell: ({ intervalHours }) => (intervalHours === undefined ? 'when asked' : `${intervalHours} h`),
            },
            { head: 'Last run', cell: ({ run }) => (run ? <Ago at={run.startedAt} now={now} /> : 'never') },
            { head: 'New', right: true, cell: ({ run }) => run?.newCertificates ?? '' },
            {
              head: 'Do',
              cell: ({ uuid }) => <PostButton visit={visit} to={`${home}/${uuid}/run`} label="Look now" />,
            },
          ]}
        />
      </div>
      <Panel title="New discovery">
        <PostForm visit={visit} to={home}>
          <Field name="name" label="Name" value={values.name} required maxlength={100} />
          <Field
            name="targets"
            label="Where"
            rows={4}
            code
            required
            value={values.targets}
            hint="HOST:PORT, ADDRESS/PREFIX:PORT,PORT or a folder of the server, one a line. Only within the validation networks."
          />
          <Field
            name="hours"
            label="Every how many hours"
            type="number"
            value={values.hours ?? '24'}
            hint="Empty: when it is asked to."
          />
          <button type="submit" class="primary">
            Add it
          </button>
        </PostForm>
      </Panel>
    </>
  )
  return { title: 'Discovery', section: 'discovery', body }
}

async function add(visit: Visit) {
  const { door, form } = visit
  const hours = form.text('hours', 6)
  if (hours !== undefined && !/^\d{1,5}$/.test(hours))
    throw new Failure('malformed', 'a whole number of hours, or nothing')
  const made = await door.discovery.add({
    name: form.need('name', 'the name', 100),
    targets: form
      .need('targets', 'where to look', 20_000)
      .split(/\s*\n\s*/)
      .filter((line) => line !== ''),
    ...(hours === undefined ? {} : { intervalHours: Number(hours) }),
  })
  return moveOn(visit, `${home}/${made.uuid}`, 'The discovery is added.')
}

const outcomes: Readonly<Record<string, 'good' | 'warn' | 'bad'>> = { found: 'good' }

async function discoveryPage(visit: Visit): Promise<Shown> {
  const { door, params, query, host } = visit
  const found = await door.discovery.read(params.uuid ?? '')
  const after = Number(query.get('after'))
  const { places, next } = await door.discovery.places(
    found.uuid,
    after > 0 && Number.isSafeInteger(after) ? { after } : {},
  )
  const now = host.clock()
  const path = `${home}/${found.uuid}`
  const { run } = found
  const body = (
    <>
      <Head title={<Text value={found.name} />} about="A discovery">
        <PostButton visit={visit} to={`${path}/run`} label="Look now" kind="primary" />
        <PostButton
          visit={visit}
          to={`${path}/switch`}
          label={found.enabled ? 'Disable' : 'Enable'}
          fields={{ enabled: String(!found.enabled) }}
        />
        <PostButton visit={visit} to={`${path}/remove`} label="Remove" kind="danger" />
      </Head>
      <div class="columns">
        <Panel title="About it">
          <Facts
            rows={[
              ['Where', <Texts values={found.targets} most={10} />],
              ['Every', found.intervalHours === undefined ? 'when asked' : `${found.intervalHours} hours`],
              found.nextAt !== undefined && ['Next run', <Ago at={found.nextAt} now={now} />],
              ['Owner', found.owner?.name ?? 'nobody'],
            ]}
          />
        </Panel>
        {run && (
          <Panel title={run.running ? 'The run under way' : 'The last run'} id="run">
            <Facts
              rows={[
                ['Started', <Ago at={run.startedAt} now={now} />],
                ['Looked at', `${run.looked} of ${run.places} places`],
                ['Places with certificates', String(run.found)],
                ['New certificates', String(run.newCertificates)],
                ['No answer', String(run.unreachable)],
                ['Outside the networks', String(run.refused)],
                ['Not readable', String(run.unreadable)],
              ]}
            />
          </Panel>
        )}
      </div>
      <Table<DiscoveryPlace>
        caption="Places"
        rows={places}
        empty="No place was looked at yet."
        columns={[
          { head: 'Place', names: true, cell: ({ place }) => <Text value={place} most={100} /> },
          { head: 'Came to', cell: ({ outcome }) => <Badge status={outcome} tone={outcomes[outcome] ?? 'warn'} /> },
          { head: 'Certificates', right: true, cell: ({ certificates }) => certificates },
          { head: 'New', right: true, cell: ({ newCertificates }) => newCertificates },
          { head: 'Looked', cell: ({ lookedAt }) => <Ago at={lookedAt} now={now} /> },
          { head: 'Detail', cell: ({ detail }) => <Text value={detail ?? ''} /> },
        ]}
      />
      <Pager path={path} query={query} next={next} />
    </>
  )
  return { title: found.name, section: 'discovery', body }
}

export const discoveryPages = [
  page('/discovery', (visit) => discoveryList(visit)),
  action('/discovery', add, { again: discoveryList }),
  page('/discovery/:uuid', discoveryPage),
  action('/discovery/:uuid/run', async (visit) => {
    await visit.door.discovery.run(visit.params.uuid ?? '')
    return moveOn(visit, `${home}/${visit.params.uuid}`, 'It is looking.')
  }),
  action('/discovery/:uuid/switch', async (visit) => {
    await visit.door.discovery.change(visit.params.uuid ?? '', { enabled: visit.form.raw('enabled', 10) === 'true' })
    return moveOn(visit, `${home}/${visit.params.uuid}`, 'The discovery is changed.')
  }),
  action('/discovery/:uuid/remove', async (visit) => {
    await visit.door.discovery.remove(visit.params.uuid ?? '')
    return moveOn(visit, home, 'The discovery is removed; what it found stays.')
  }),
]
