#!/bin/busybox sh
# Answers one HTTP request: GET /env/<name> with "<name>=<value>" from the environment.
read -r _ path _
while read -r header && [ -n "${header%?}" ]; do :; done

reply() {
  printf 'HTTP/1.0 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s\n' "$1" $((${#2} + 1)) "$2"
  exit
}

case $path in
  /env/?*) name=${path#/env/} ;;
  *) reply '404 Not Found' 'try /env/<name>' ;;
esac
case $name in
  *[!A-Za-z0-9_.-]*) reply '400 Bad Request' 'a name has letters, digits, "_", "." and "-" only' ;;
esac
line=$(busybox env | busybox grep "^$name=") || reply '404 Not Found' "$name is not set"
reply '200 OK' "$line"
