/** @jsxImportSource hono/jsx */
import type { RequestDetail } from '../../core/listing/listing.ts'
import { pemEncode } from '../../pki/pem.ts'
import { page, type Shown, type Visit } from '../page.ts'
import { PostButton } from '../parts/form.tsx'
import { Code, Head, Note, Panel } from '../parts/panel.tsx'
import { Facts } from '../parts/table.tsx'
import { Moment, Text, Texts } from '../parts/text.tsx'
import { actionName, lifetime, protocolName, requesterKinds } from '../parts/words.ts'
import { authorityPath } from './authorityWords.ts'
import { whyNotAgain } from './orderAgain.ts'
import { OrderBadge, Took } from './orderList.tsx'
import { orderStatus, orderType } from './orderWords.ts'
import { asRef } from './requestFacts.ts'

async function show(visit: Visit): Promise<Shown> {
  const { door, params, host } = visit
  const detail = await door.list.request(asRef(params.ref ?? ''), 'sign')
  const record = await door.list.record(detail.id)
  const status = orderStatus(detail.status)
  const title = detail.names[0] ?? detail.wanted?.subject ?? `Order ${detail.id}`
  const now = host.clock()
  const body = (
    <div id="order" data-live>
      <Head
        title={
          <>
            <Text value={title} most={120} /> <OrderBadge status={detail.status} />
          </>
        }
        about={`${orderType({ authorityKind: record.authority.kind, protocol: detail.protocol })} · ${actionName(detail.action)}`}
      >
        {status === 'complete' && (
          <a class="button primary" href={`/console/certificates/${detail.uuid}`}>
            To the certificate
          </a>
        )}
        <a class="button" href={`/console/requests/sign/${detail.uuid}`}>
          To the request and its decision
        </a>
      </Head>
      {status === 'failed' && <Failed visit={visit} detail={detail} why={whyNotAgain(detail, record.request)} />}
      {status === 'processing' && detail.lastError && (
        <Note tone="warn">
          <p>
            The last attempt: <Text value={detail.lastError} most={500} />
          </p>
        </Note>
      )}
      <div class="columns">
        <Panel title="Order" id="facts">
          <Facts
            rows={[
              ['Requested by', <Requester detail={detail} />],
              ['Protocol', protocolName(detail.protocol)],
              detail.source !== null && ['Address', <span class="mono">{detail.source}</span>],
              ['Authority', <a href={authorityPath(record.authority.name)}>{record.authority.name}</a>],
              ['Ordered', <Moment at={detail.createdAt} />],
              detail.endedAt && ['Ended', <Moment at={detail.endedAt} />],
              ['Duration', <Took row={detail} now={now} />],
            ]}
          />
        </Panel>
        <Parameters detail={detail} />
      </div>
    </div>
  )
  return { title: `Order ${title.slice(0, 60)}`, section: 'orders', body }
}

function Requester({ detail }: { detail: RequestDetail }) {
  return (
    <>
      <Text value={detail.requester} />{' '}
      <span class="quiet">{requesterKinds[detail.requesterKind] ?? detail.requesterKind}</span>
    </>
  )
}

function Failed({ visit, detail, why }: { visit: Visit; detail: RequestDetail; why: string | undefined }) {
  const error = detail.reason ?? detail.lastError ?? `It was ${detail.status}.`
  return (
    <Panel title={detail.status === 'canceled' ? 'Why it was withdrawn' : 'What went wrong'} id="error">
      <p>
        <Text value={error} most={1000} />
      </p>
      {detail.reason && detail.lastError && (
        <p class="quiet">
          The last attempt: <Text value={detail.lastError} most={500} />
        </p>
      )}
      {detail.findings.length > 0 && (
        <ul>
          {detail.findings.map(({ detail: text }) => (
            <li>
              <Text value={text} most={400} />
            </li>
          ))}
        </ul>
      )}
      {why === undefined ? (
        <>
          <p>Sent again, it is a new order of yours with the parameters below, and the rules decide anew.</p>
          <PostButton visit={visit} to={`/console/orders/${detail.uuid}/again`} label="Send again" kind="primary" />
        </>
      ) : (
        <p>
          {why} <a href="/console/new">New request</a>
        </p>
      )}
    </Panel>
  )
}

/** What was asked, as far as it is kept. */
function Parameters({ detail }: { detail: RequestDetail }) {
  const { wanted, key, csr, profile } = detail
  return (
    <Panel title="Parameters" id="parameters">
      <Facts
        rows={[
          ['RA profile', <Text value={profile || 'of the installation'} />],
          wanted && ['Subject', <Text value={wanted.subject || 'none'} />],
          [
            'Names',
            <Texts values={wanted?.identifiers.map(({ type, value }) => `${type}:${value}`) ?? []} most={20} />,
          ],
          key && ['Key', `${key.algorithm} ${key.curve ?? key.size}`],
          wanted && ['Valid for', lifetime(wanted.validity)],
          wanted?.notBefore && ['Not before', <Moment at={wanted.notBefore} />],
          wanted?.notAfter && ['Not after', <Moment at={wanted.notAfter} />],
          wanted?.mustStaple && ['Must-staple', 'yes'],
        ]}
      />
      {csr && (
        <details>
          <summary>Signing request (PEM)</summary>
          <Code value={pemEncode('CERTIFICATE REQUEST', csr)} label="Signing request" />
        </details>
      )}
    </Panel>
  )
}

export const orderDetailPages = [page('/orders/:ref', show)]
