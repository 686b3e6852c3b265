/** Which objects a list or a watch is about: namespace, label selector, field selector. */
import type { AnyObject, Pod } from './objects.ts';

export interface Selection {
  /** Undefined or empty: all namespaces. */
  readonly namespace?: string | undefined;
  /** Kubernetes syntax: `a=b,c!=d,e,!f,g in (h,i),j notin (k)`. */
  readonly labelSelector?: string | undefined;
  /** `metadata.name`, `metadata.namespace`, `spec.nodeName`, and for Events `involvedObject.*`. */
  readonly fieldSelector?: string | undefined;
}

export type Matcher = (object: AnyObject) => boolean;

/** Throws an Error whose message says what is wrong with a malformed selector. */
export function matcher(selection: Selection): Matcher {
  const tests: Matcher[] = [];
  const { namespace, labelSelector, fieldSelector } = selection;
  if (namespace !== undefined && namespace !== '') {
    tests.push((object) => object.metadata.namespace === namespace);
  }
  if (labelSelector !== undefined && labelSelector !== '') tests.push(labelMatcher(labelSelector));
  if (fieldSelector !== undefined && fieldSelector !== '') tests.push(fieldMatcher(fieldSelector));
  return (object) => tests.every((test) => test(object));
}

function labelMatcher(selector: string): Matcher {
  const requirements = splitOutsideParentheses(selector).map((text) => labelRequirement(text));
  return (object) => {
    const labels = object.metadata.labels ?? {};
    return requirements.every((holds) => holds(labels));
  };
}

type Labels = Readonly<Record<string, string>>;

function labelRequirement(text: string): (labels: Labels) => boolean {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(text);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = list.split(',').map((value) => value.trim());
    return (labels) => {
      const value = labels[key];
      const within = value !== undefined && values.includes(value);
      return operator === 'in' ? within : !within;
    };
  }
  const comparison = /^([^=!\s]+)\s*(==|=|!=)\s*([^=!\s]*)$/.exec(text);
  if (comparison !== null) {
    const [, key = '', operator, value] = comparison;
    return (labels) => (labels[key] === value) === (operator !== '!=');
  }
  const existence = /^(!?)\s*([^=!\s()]+)$/.exec(text);
  if (existence === null) throw new Error(`unable to parse requirement: ${text}`);
  const [, not, key = ''] = existence;
  return (labels) => key in labels === (not === '');
}

function splitOutsideParentheses(selector: string): string[] {
  return selector.split(/,(?![^(]*\))/).map((part) => part.trim());
}

function fieldMatcher(selector: string): Matcher {
  const requirements = selector.split(',').map((text) => {
    const parts = /^([^=!]+)(==|=|!=)(.*)$/.exec(text.trim());
    if (parts === null) throw new Error(`invalid field selector: ${text}`);
    const [, field = '', operator, value = ''] = parts;
    const read = fieldReader(field);
    return (object: AnyObject): boolean => (read(object) === value) === (operator !== '!=');
  });
  return (object) => requirements.every((holds) => holds(object));
}

function fieldReader(field: string): (object: AnyObject) => string {
  switch (field) {
    case 'metadata.name':
      return (object) => object.metadata.name;
    case 'metadata.namespace':
      return (object) => object.metadata.namespace ?? '';
    case 'spec.nodeName':
      return (object) => (object as Pod).spec.nodeName ?? '';
    case 'status.phase':
      return (object) => (object as Pod).status?.phase ?? '';
    case 'reason':
    case 'type':
      return (object) => text((object as unknown as Record<string, unknown>)[field]);
    default:
      if (field.startsWith('involvedObject.')) {
        const member = field.slice('involvedObject.'.length);
        return (object) => text(record(record(object)['involvedObject'])[member]);
      }
      throw new Error(`field label not supported: ${field}`);
  }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
