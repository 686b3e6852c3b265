/** One requirement on the labels of an object. */
export type LabelRequirement =
  | { readonly kind: 'Exists'; readonly key: string }
  | { readonly kind: 'Absent'; readonly key: string }
  | { readonly kind: 'In'; readonly key: string; readonly values: readonly string[] }
  | { readonly kind: 'NotIn'; readonly key: string; readonly values: readonly string[] };

/** Requirements are ANDed; an empty selector selects everything. */
export type LabelSelector = readonly LabelRequirement[];

export type ParsedSelector =
  | { readonly kind: 'Selector'; readonly selector: LabelSelector }
  /** A sentence for the person who wrote it. */
  | { readonly kind: 'Mistake'; readonly message: string };

/**
 * The selector language of `kubectl -l`: `a=b`, `a==b`, `a!=b`, `a`, `!a`, `a in (b,c)`,
 * `a notin (b,c)`, joined by commas (apimachinery pkg/labels/selector.go; `<` and `>` compare
 * numbers and are for node affinity only, so they are mistakes here).
 */
export function parseLabelSelector(text: string): ParsedSelector {
  const selector: LabelRequirement[] = [];
  if (text.trim() === '') return { kind: 'Selector', selector };
  for (const part of splitAtTopLevelCommas(text)) {
    const requirement = parseRequirement(part.trim());
    if (typeof requirement === 'string') {
      return { kind: 'Mistake', message: `label selector "${text}": ${requirement}` };
    }
    selector.push(requirement);
  }
  return { kind: 'Selector', selector };
}

/** Whether all requirements hold. `!=` and `notin` hold for objects without the label, too. */
export function selects(
  selector: LabelSelector,
  labels: Readonly<Record<string, string>>,
): boolean {
  return selector.every((requirement) => {
    const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
    if (requirement.kind === 'Exists') return value !== undefined;
    if (requirement.kind === 'Absent') return value === undefined;
    const listed = value !== undefined && requirement.values.includes(value);
    return listed === (requirement.kind === 'In');
  });
}

function splitAtTopLevelCommas(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i += 1) {
    const character = text[i];
    if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    else if (character === ',' && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}

const setForm = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/;
const equalForm = /^([^\s=!]+)\s*(==|=|!=)\s*(\S*)$/;
const existsForm = /^(!?)\s*([^\s=!()]+)$/;

function parseRequirement(text: string): LabelRequirement | string {
  const requirement = setRequirement(text) ?? equalRequirement(text) ?? existsRequirement(text);
  if (requirement !== undefined) return checked(requirement);
  if (text === '') return 'a requirement is missing between two commas';
  return `"${text}" is none of key=value, key!=value, key, !key, key in (a,b), key notin (a,b)`;
}

function setRequirement(text: string): LabelRequirement | undefined {
  const [, key, word, list] = setForm.exec(text) ?? [];
  if (key === undefined || list === undefined) return undefined;
  const values = list.split(',').map((value) => value.trim());
  return { kind: word === 'in' ? 'In' : 'NotIn', key, values };
}

function equalRequirement(text: string): LabelRequirement | undefined {
  const [, key, operator, value] = equalForm.exec(text) ?? [];
  if (key === undefined || value === undefined) return undefined;
  return { kind: operator === '!=' ? 'NotIn' : 'In', key, values: [value] };
}

function existsRequirement(text: string): LabelRequirement | undefined {
  const [, not, key] = existsForm.exec(text) ?? [];
  if (key === undefined) return undefined;
  return { kind: not === '!' ? 'Absent' : 'Exists', key };
}

/** apimachinery pkg/util/validation: IsQualifiedName, IsValidLabelValue, IsDNS1123Subdomain. */
const nameForm = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const prefixForm = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

function checked(requirement: LabelRequirement): LabelRequirement | string {
  const [name = '', prefix, ...more] = requirement.key.split('/').reverse();
  const prefixGood = prefix === undefined || (prefix.length <= 253 && prefixForm.test(prefix));
  if (more.length > 0 || !prefixGood || !nameForm.test(name)) {
    return `"${requirement.key}" is not a label key`;
  }
  if (requirement.kind === 'Exists' || requirement.kind === 'Absent') return requirement;
  const bad = requirement.values.find((value) => value !== '' && !nameForm.test(value));
  return bad === undefined ? requirement : `"${bad}" is not a label value`;
}
