import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

const words = new Set(
  `abs absent avg bool bottomk by clamp count count_values delta floor group group_left group_right histogram_quantile ignoring increase
  irate label_replace label_values max max_over_time min offset on or and unless quantile rate round scalar sort stddev sum time topk vector without`
    .split(/\s+/)
    .filter(Boolean),
)

/** Names of metrics in an expression of Prometheus: what is no function, no label, no text and no duration. */
export function metricsIn(expression: string): string[] {
  const bare = expression
    .replace(/"(?:\\.|[^"\\])*"/g, '""')
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
    .replace(/label_values\((.*),[^,]*\)/, '$1')
    .replace(/\{[^}]*\}/g, ' ')
    .replace(/\[[^\]]*\]/g, ' ')
  return (bare.match(/[a-zA-Z_:][a-zA-Z0-9_:]*/g) ?? []).filter((name) => !words.has(name))
}

/** Of the dashboard and of the alerts in docs/operate, each with where it stands. */
export function namedMetrics(): { name: string; where: string }[] {
  const dashboard = JSON.parse(readFileSync('docs/operate/grafana/countersign.json', 'utf8'))
  const rules = parse(readFileSync('docs/operate/prometheus/alerts.yml', 'utf8'))
  const panels = dashboard.panels.flatMap(({ title, targets = [] }: { title: string; targets?: { expr: string }[] }) =>
    targets.map(({ expr }) => ({ where: `panel ${title}`, expr })),
  )
  const variables = dashboard.templating.list
    .filter(({ type }: { type: string }) => type === 'query')
    .map(({ name, query }: { name: string; query: { query: string } }) => ({
      where: `variable ${name}`,
      expr: query.query,
    }))
  const alerts = rules.groups.flatMap(({ rules }: { rules: { alert: string; expr: string }[] }) =>
    rules.map(({ alert, expr }) => ({ where: `alert ${alert}`, expr })),
  )
  return [...panels, ...variables, ...alerts].flatMap(({ where, expr }) =>
    metricsIn(expr).map((name) => ({ name, where })),
  )
}
