/**
 * Wall time as Kubernetes' MicroTime: RFC 3339, UTC, always six digits of fraction
 * (apimachinery pkg/apis/meta/v1/micro_time.go). `wallMs` is milliseconds since 1970.
 */
export function microTime(wallMs: number): string {
  const micros = Math.floor(wallMs * 1000);
  const seconds = Math.floor(micros / 1e6);
  return `${secondTime(seconds)}.${digits(micros - seconds * 1e6, 6)}Z`;
}

/** Wall time as metav1.Time, which knows whole seconds only. */
export function plainTime(wallMs: number): string {
  return `${secondTime(Math.floor(wallMs / 1000))}Z`;
}

/** Nearly all moments that are written one after the other are of one day. */
let lastDay = { days: 0, date: '1970-01-01' };

function secondTime(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  if (days !== lastDay.days) lastDay = { days, date: date(days) };
  const rest = seconds - days * 86_400;
  const hour = Math.floor(rest / 3600);
  const minute = Math.floor((rest % 3600) / 60);
  return `${lastDay.date}T${digits(hour, 2)}:${digits(minute, 2)}:${digits(rest % 60, 2)}`;
}

/**
 * The Gregorian date of a day counted from 1970-01-01: years begin in March, so that the leap day
 * is the last one, and 400 of them have 146,097 days.
 */
function date(days: number): string {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}`;
}

function digits(value: number, count: number): string {
  return String(value).padStart(count, '0');
}
